"""Which settings serve best, on worlds of our own with seeds that no other benchmark uses; JSON last.

    python -m benchmarks.creatives_settings [--seeds 8] [--resume var/bench-creatives-settings]

The worlds are `benchmarks.creatives_generated`: interaction shares of 0, 2, 20 and 50 %, a tenth of the click
rate, and one where the site alone decides which of two creatives is liked. Told is the regret as a share of
random choice in the same world, mean and worst over the seeds, and how many of the true rates the 90 %
intervals of the untempered belief cover. A setting is judged by the means of both over the worlds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import bandit
from bandit.learner import LearnerSettings
from bandit.posterior import PriorScales
from benchmarks import creatives_in_memory
from benchmarks.creatives_calibration import judged
from benchmarks.creatives_generated import Knobs, generate
from benchmarks.creatives_in_memory import InMemory
from benchmarks.creatives_tables import Table, play

FIRST_SEED = 10_000
WORLDS = {
    "interactions 0 %": Knobs(),
    "interactions 2 %": Knobs(interactions=0.02),
    "interactions 20 %": Knobs(interactions=0.2),
    "interactions 50 %": Knobs(interactions=0.5),
    "click rate × 0.1": Knobs(interactions=0.02, ctr=0.005),
    "the site decides": Knobs(interactions=1.0, ctr=0.3, spread=1.5, slots=2, elements=2, sites=40),
}
NAMES = ("factors", "linear_temperature", "factors_temperature", "composition_temperature", "floor")
CANDIDATES = (
    (0.15, 0.5, 0.2, 1.0, 0.01),
    (0.3, 0.5, 0.2, 1.0, 0.01),
    (0.3, 0.5, 0.2, 0.7, 0.01),
    (0.3, 0.5, 0.2, 0.5, 0.01),
    (0.3, 0.35, 0.2, 0.7, 0.01),
    (0.3, 0.7, 0.2, 0.7, 0.01),
    (0.3, 0.8, 0.3, 0.5, 0.01),
    (0.3, 1.0, 0.3, 0.3, 0.01),
    (0.3, 0.5, 0.2, 0.7, 0.005),
)
"""Values of NAMES; `factors` is the first spread of the factors, 1.5 times that of their means."""


def settings_of(candidate: tuple[float, ...]) -> LearnerSettings:
    """Puts a candidate's values in place of the defaults."""
    factors, *others = candidate
    scales = PriorScales(factors=factors, factors_spread=round(factors / 1.5, 9))
    return replace(LearnerSettings(scales=scales), **dict(zip(NAMES[1:], others, strict=True)))  # type: ignore[arg-type]


def of_random(table: Table) -> float:
    """Expected regret of random choice."""
    best = np.where(table.feasible, table.ctr, -np.inf).max(axis=1)
    mean = np.where(table.feasible, table.ctr, 0.0).sum(axis=1) / table.feasible.sum(axis=1)
    return float((best - mean).mean() * table.impressions)


def measured(world: str, candidate: tuple[float, ...], seed: int, root: Path) -> dict[str, float]:
    """Reads a run, or plays it and keeps it, under the digest of the code and of the settings."""
    settings = settings_of(candidate)
    code = [*sorted(Path(bandit.__path__[0]).glob("*.py")), Path(creatives_in_memory.__file__)]
    parts = [repr((WORLDS[world], settings)).encode(), *(path.read_bytes() for path in code)]
    name = f"{world}-{seed}-{hashlib.sha256(b''.join(parts)).hexdigest()[:12]}.json"
    path = root / name
    if not path.exists():
        table = generate(WORLDS[world], FIRST_SEED + seed)
        policy = InMemory(table, settings, seed)
        share = sum(play(table, policy, seed)) / of_random(table)
        found = {"share": share} | judged(policy, table, np.random.default_rng(seed))
        root.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    result: dict[str, float] = json.loads(path.read_text())
    return result


def summary(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Mean and worst share, and coverage, of each world and over the worlds."""
    rows = {
        world: {
            "share": float(np.mean([run["share"] for run in found])),
            "worst": max(run["share"] for run in found),
            "coverage": float(np.mean([run["coverage_90"] for run in found])),
        }
        for world, found in runs.items()
    }
    whole = {name: float(np.mean([row[name] for row in rows.values()])) for name in ("share", "worst")}
    return {
        name: {key: round(value, 4) for key, value in row.items()}
        for name, row in (rows | {"all": whole}).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--resume", type=Path, default=Path("var/bench-creatives-settings"))
    options = parser.parse_args()
    figures = {}
    for number, candidate in enumerate(CANDIDATES, 1):
        label = ", ".join(f"{name} {value}" for name, value in zip(NAMES, candidate, strict=True))
        print(f"\r{number}/{len(CANDIDATES)} {label}\033[K", end="", file=sys.stderr)
        runs = {
            world: [measured(world, candidate, seed, options.resume) for seed in range(options.seeds)]
            for world in WORLDS
        }
        figures[label] = summary(runs)
        print(f"\r{label:120} {figures[label]}", flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
