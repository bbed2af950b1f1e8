"""Times many models side by side on a machine that is never quite quiet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nas.space import FloatArray

    Run = Callable[[], object]


@dataclass(frozen=True)
class TimingSettings:
    """How often models run."""

    rounds: int = 5
    """Visits to every model, each round in a new order."""
    warm_up: int = 2
    """Runs of a visit that do not count."""
    visit_seconds: float = 0.05
    """About how long a visit lasts, within the bounds of runs."""
    min_runs: int = 5
    max_runs: int = 40
    probe_every: int = 10
    """Visits between two runs of the probe."""
    drift: float = 0.1
    """Visits beside a probe that was so much slower than usual are measured again."""
    max_extra_rounds: int = 5

    def __post_init__(self) -> None:
        for name in ("rounds", "min_runs", "max_runs", "probe_every"):
            if getattr(self, name) < 1:
                raise SearchError(f"timing.{name}", getattr(self, name), "must be at least 1")
        for name in ("visit_seconds", "drift"):
            if not getattr(self, name) > 0.0:
                raise SearchError(f"timing.{name}", getattr(self, name), "must be positive")


@dataclass(frozen=True)
class Timing:
    """The latency of one model, in seconds."""

    p50: float
    p99: float
    spread: float
    """Standard deviation of the kept visits' medians over their mean."""
    num_runs: int
    num_rejected: int
    """Visits that were left out: the machine was disturbed, or the visit itself stood out."""


@dataclass(frozen=True)
class _Visit:
    model: int
    seconds: FloatArray
    probe: float
    """The slower of the probe before and after."""


OUTLIER = 1.25
"""A visit with a median so many times the least one was disturbed: nothing makes a model faster."""


def measure(
    runs: Sequence[Run],
    probe: Run,
    settings: TimingSettings,
    rng: np.random.Generator,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Timing]:
    """Times each model over several rounds, in a random order every time.

    So a slow minute touches all models a little and none much. A probe, always the same model, runs between
    visits; where it is slow the machine was busy with something else, and the visits beside it are repeated
    in extra rounds.

    Args:
        runs: (n,) calls that run a model once.
        probe: a call of the same kind that tells whether the machine is as usual.
        settings: how often.
        rng: orders the visits.
        clock: seconds.

    Returns:
        (n,) timings.
    """
    visits: list[_Visit] = []
    waiting = list(range(len(runs)))
    for number in range(settings.rounds + settings.max_extra_rounds):
        visits += _round(
            runs, [waiting[int(i)] for i in rng.permutation(len(waiting))], probe, settings, clock
        )
        usual = float(np.quantile([visit.probe for visit in visits], 0.25)) * (1.0 + settings.drift)
        if number + 1 >= settings.rounds:
            good = np.bincount([v.model for v in visits if v.probe <= usual], minlength=len(runs))
            waiting = np.flatnonzero(good < settings.rounds).tolist()
            if not waiting:
                break
    return [_timing([v for v in visits if v.model == model], usual) for model in range(len(runs))]


def _round(
    runs: Sequence[Run],
    order: list[int],
    probe: Run,
    settings: TimingSettings,
    clock: Callable[[], float],
) -> list[_Visit]:
    visits: list[_Visit] = []
    before = float(np.median(_visit(probe, settings, clock)))
    for start in range(0, len(order), settings.probe_every):
        block = order[start : start + settings.probe_every]
        timed = [(model, _visit(runs[model], settings, clock)) for model in block]
        after = float(np.median(_visit(probe, settings, clock)))
        visits += [_Visit(model, seconds, max(before, after)) for model, seconds in timed]
        before = after
    return visits


def _visit(run: Run, settings: TimingSettings, clock: Callable[[], float]) -> FloatArray:
    for _ in range(settings.warm_up):
        start = clock()
        run()
        last = clock() - start
    wanted = settings.visit_seconds / max(last, 1e-9) if settings.warm_up else settings.min_runs
    num = int(np.clip(wanted, settings.min_runs, settings.max_runs))
    seconds = np.empty(num)
    for index in range(num):
        start = clock()
        run()
        seconds[index] = clock() - start
    return seconds


def _timing(visits: list[_Visit], usual: float) -> Timing:
    """Sums up the visits of a model; where none was undisturbed, those of the fastest probe count."""
    limit = max(usual, min(visit.probe for visit in visits))
    kept = [visit.seconds for visit in visits if visit.probe <= limit]
    medians = np.array([float(np.median(seconds)) for seconds in kept])
    calm = medians <= OUTLIER * medians.min()
    pooled = np.concatenate([seconds for seconds, is_calm in zip(kept, calm, strict=True) if is_calm])
    return Timing(
        p50=float(np.median(medians[calm])),
        p99=float(np.quantile(pooled, 0.99)),
        spread=float(medians[calm].std() / medians[calm].mean()),
        num_runs=len(pooled),
        num_rejected=len(visits) - int(calm.sum()),
    )
