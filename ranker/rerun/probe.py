"""What a report shows beside values: the price of limits, predictions, drift, doubts about attention."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ranker.rerun.answering import as_scored
from ranker.rerun.captured_log import Flaws, read_captured
from ranker.rerun.frontier import NUM_DRAWS, SHARES, Frontier, Sensitivity, frontier, sensitivity
from ranker.rerun.judgement import SEED, weighted, worth_by_request
from ranker.rerun.predictions import Calibration, Curves, calibration, curves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.slate import RankRequest
    from ranker.snapshot import Snapshot

    Floats: TypeAlias = NDArray[np.float64]
    Step: TypeAlias = Callable[[int, int], None]

# Requests that are solved again for the frontier and the sensitivity.
NUM_PROBED = 100
NUM_STRETCHES = 12
# Fewer requests of a stretch tell nothing of drift.
MIN_STRETCH_REQUESTS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """The log in stretches of equally many requests, in its order; all `(s,)`."""

    logged: Floats  # value per request
    by_policy: dict[str, Floats]  # the same under each policy, by DR
    promised: Floats  # rewards over predicted ones


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What could be told; None or empty where the log or the home does not say."""

    frontiers: tuple[Frontier, ...]
    sensitivity: Sensitivity | None  # None: the home has no attention file with intervals
    calibration: Calibration | None  # None: no row, or all rows are rewarded
    curves: Curves | None
    drift: Drift | None


def probe(
    log: Path, columns: dict[str, NDArray[Any]], names: tuple[str, ...], snapshot: Snapshot, step: Step
) -> Probe:
    """Returns the probe of a log; `columns` are its rerun rows, the first requests are solved again."""
    asked = [as_scored(captured) for captured in islice(read_captured(log, Flaws()), NUM_PROBED)]
    limits = list(dict.fromkeys(c.name for request in asked for c in request.constraints))
    total, done = len(limits) * (len(SHARES) + 1) + NUM_DRAWS, 0

    def tick() -> None:
        nonlocal done
        done += 1
        step(min(done, total), total)

    frontiers = tuple(frontier(name, _limited_by(name, asked), snapshot, tick) for name in limits)
    doubts = _sensitivity(asked, snapshot, tick)
    step(total, total)
    rewarded = columns["reward"] > 0 if columns else np.zeros(0, np.bool_)
    if not columns or rewarded.all() or not rewarded.any():
        return Probe(frontiers, doubts, None, None, drift(columns, names))
    clicked = rewarded.astype(np.float64)
    predicted = columns["predicted"]
    return Probe(
        frontiers, doubts, calibration(predicted, clicked), curves(predicted, clicked), drift(columns, names)
    )


def drift(columns: dict[str, NDArray[Any]], names: tuple[str, ...]) -> Drift | None:
    """Returns values and kept promises along the log, or None where it is too short."""
    if not columns:
        return None
    request = np.unique(columns["request"], return_inverse=True)[1]
    num_requests = int(request.max()) + 1
    num = min(NUM_STRETCHES, num_requests // MIN_STRETCH_REQUESTS)
    if num < 2:
        return None
    stretch = np.arange(num_requests) * num // num_requests

    def mean(worth: NDArray[Any]) -> Floats:
        return np.asarray(np.bincount(stretch, worth) / np.bincount(stretch))

    rewards = mean(np.bincount(request, columns["reward"]))
    predicted = mean(np.bincount(request, columns["predicted"]))
    return Drift(
        mean(np.bincount(request, columns["reward"] * columns["bid"])),
        {name: mean(worth_by_request(weighted(columns, name, request), request)) for name in names},
        rewards / np.maximum(predicted, 1e-12),
    )


def _limited_by(name: str, requests: Sequence[RankRequest]) -> list[RankRequest]:
    return [each for each in requests if any(c.name == name for c in each.constraints)]


def _sensitivity(
    requests: Sequence[RankRequest], snapshot: Snapshot, tick: Callable[[], None]
) -> Sensitivity | None:
    if snapshot.attention is None or not requests:
        return None
    curve = snapshot.attention.curve
    k = requests[0].num_positions
    alike = [replace(r, attention=None) for r in requests if r.num_positions == k]
    if k > len(curve.attention):
        return None
    fit = (curve.attention, curve.low, curve.high)
    return sensitivity(fit, alike, snapshot, np.random.default_rng(SEED), tick)
