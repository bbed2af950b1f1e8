"""The closed loop: requests, slates, clicks, what is learned of them; and its checkpoints."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ranker.errors import StateError
from ranker.simulation.rows import Rows, concatenate, make_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.simulation.click_model import ClickModel
    from ranker.simulation.policy import Policy, Served
    from ranker.simulation.world import Outcomes, World, WorldState

    Floats = NDArray[np.float64]

CHECKPOINT_BATCHES = 4


class Recorder(Protocol):
    """Keeps what a log of real traffic would hold of a batch."""

    def record(self, part: int, served: Served, outcomes: Outcomes, seconds: Floats) -> None:
        """Writes the batch under its number; writing it again changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One policy in a world of its own."""

    world: World
    policy: Policy
    model: ClickModel
    recorder: Recorder | None = None


def simulate(
    run: Run, folder: Path | None = None, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Rows:
    """Returns the rows of the whole run; with a `folder`, goes on where an interrupted run left it.

    Every draw follows from the seed and the request's number, and state moves on between batches: a run that
    was killed and resumed gives the rows of one that was not.
    """
    total = run.world.scenario.traffic.num_batches
    state = run.world.start()
    parts: list[Rows] = []
    done = 0
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        parts, done = _resume(run, state, folder)
    progress(done, total)
    fresh: list[Rows] = []
    for index in range(done, total):
        fresh.append(_step(run, state, index))
        progress(index + 1, total)
        if folder is not None and (len(fresh) == CHECKPOINT_BATCHES or index + 1 == total):
            parts.append(concatenate(fresh))
            _checkpoint(folder, index + 1, parts[-1], run, state)
            fresh = []
    return concatenate(parts + fresh)


def _step(run: Run, state: WorldState, index: int) -> Rows:
    requests = run.world.requests(index, state)
    visits, offers = requests.visits, requests.offers
    ctr = run.model.predict(visits.segment, offers.ads)
    served = run.policy.serve(requests, ctr)
    outcomes = run.world.outcomes(requests, served.slates, ctr, state)
    run.model.learn(visits.segment, outcomes.ads, outcomes.clicked, visits.day)
    if run.recorder is not None:
        run.recorder.record(index, served, outcomes, visits.seconds)
    return make_rows(requests, served, outcomes, ctr)


def _checkpoint(folder: Path, done: int, rows: Rows, run: Run, state: WorldState) -> None:
    """Writes rows and state under a temporary name and renames: a checkpoint is whole or absent."""
    draft = folder / ".draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    np.savez(draft / "rows.npz", allow_pickle=False, **rows.arrays())
    kept: dict[str, Any] = {f"model_{name}": array for name, array in run.model.state().items()}
    kept |= {"exposure": state.exposure, "spent": state.spent, "day": np.array(state.day)}
    np.savez(draft / "state.npz", allow_pickle=False, **kept)
    draft.rename(folder / f"batches-{done:08d}")


def _resume(run: Run, state: WorldState, folder: Path) -> tuple[list[Rows], int]:
    """Takes up the last checkpoint: moves state and model there, and returns the rows before it."""
    found = sorted(folder.glob("batches-*"))
    if not found:
        return [], 0
    parts = []
    for path in found:
        with np.load(path / "rows.npz") as arrays:
            parts.append(Rows(**arrays))
    with np.load(found[-1] / "state.npz") as saved:
        if saved["exposure"].shape != state.exposure.shape:
            raise StateError(
                "checkpoint", str(found[-1]), "belongs to another scenario: choose another --out"
            )
        state.exposure[:], state.spent[:], state.day = saved["exposure"], saved["spent"], int(saved["day"])
        run.model.restore(
            {name.removeprefix("model_"): saved[name] for name in saved.files if name.startswith("model_")}
        )
    return parts, int(found[-1].name.removeprefix("batches-"))
