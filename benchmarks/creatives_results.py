"""The directory of results: one small JSON file a run, so that a stopped benchmark goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One seed of a policy in a world: expected clicks lost up to each of `impressions`."""

    world: str
    policy: str
    seed: int
    impressions: list[int]
    regret: list[float]
    seconds: float
    calibration: dict[str, float]

    def at(self, impressions: int) -> float:
        """The regret after so many impressions."""
        return self.regret[self.impressions.index(impressions)]


@dataclass(frozen=True)
class Key:
    """What a run depends on: its world with the cadence, its policy with settings and code, as digests."""

    world: str
    policy: str
    seed: int
    world_digest: str
    policy_digest: str

    def path(self, root: Path) -> Path:
        """The file of the run."""
        parts = [part.replace("/", "_") for part in (self.world, self.policy)]
        return root.joinpath(*parts, f"{self.seed}-{self.world_digest}-{self.policy_digest}.json")


def load(root: Path, key: Key) -> Run | None:
    """Reads a run that is there already."""
    path = key.path(root)
    return Run(**json.loads(path.read_text())) if path.exists() else None


def save(root: Path, key: Key, run: Run) -> None:
    """Writes a run, whole or not at all."""
    path = key.path(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(run)))
    part.replace(path)


def summary(runs: list[Run]) -> dict[str, Any]:
    """Mean, spread and worst of the seeds; the mean at a quarter; calibration where there is one."""
    end = np.array([run.regret[-1] for run in runs])
    quarter = [run.at(min(i for i in run.impressions if 4 * i >= run.impressions[-1])) for run in runs]
    found: dict[str, Any] = {"seeds": len(runs)} | spread(end.tolist())
    found |= {"quarter": float(np.mean(quarter)), "seconds": float(np.mean([run.seconds for run in runs]))}
    for name in runs[0].calibration:
        found[name] = float(np.mean([run.calibration[name] for run in runs]))
    return {name: value if name == "seeds" else round(value, 4) for name, value in found.items()}


def spread(values: list[float]) -> dict[str, float]:
    """Mean, standard deviation (0 of one value), least and greatest."""
    array = np.array(values)
    deviation = float(array.std(ddof=1)) if array.size > 1 else 0.0
    return {
        "mean": float(array.mean()),
        "sd": deviation,
        "min": float(array.min()),
        "max": float(array.max()),
    }
