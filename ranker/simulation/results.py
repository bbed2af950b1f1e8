"""Statistics of simulated runs: values with intervals, changes by segment, days, calibration, curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtri

from ranker.simulation.visits import DAY_SECONDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.rows import Rows
    from ranker.simulation.scenario import Scenario

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with the ends of its 95 % interval, of sessions as independent draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What one policy gave, per request."""

    name: str
    num_requests: int
    value: Mean
    revenue: Mean
    clicks: Mean
    conversions: Mean
    change: Mean | None  # of value, to the first policy in the same world; none: it is the first
    limits: tuple[LimitUse, ...]


@dataclass(frozen=True, slots=True)
class LimitUse:
    """What a constraint asked of a policy on average, what it used, and the price of its limit."""

    name: str
    limit: float
    use: float
    dual: float


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """How a policy's value differs from the first one's in a segment."""

    segment: str
    num_requests: int
    change: Mean


def mean_by_session(values: Floats, session: NDArray[np.uint64]) -> Mean:
    """Returns the mean of values `(R,)` with the normal interval of a ratio Σ sums / Σ sizes of sessions.

    Requests of a session are one draw. Source: Cochran (1977), "Sampling Techniques", section 6.3.
    """
    _, index = np.unique(session, return_inverse=True)
    sums, sizes = np.bincount(index, values), np.bincount(index)
    mean = sums.sum() / sizes.sum()
    error = np.sqrt(((sums - mean * sizes) ** 2).sum()) / sizes.sum()
    half = float(ndtri((1 + LEVEL) / 2) * error)
    return Mean(float(mean), float(mean) - half, float(mean) + half)


def policy_result(name: str, rows: Rows, first: Rows | None, scenario: Scenario) -> PolicyResult:
    """Returns the result of a policy's rows; `first` are those of the first policy in the same world."""
    session = rows.number // np.uint64(scenario.traffic.max_depth)
    names = [c.name for c in scenario.constraints]
    kept = next((p for p in scenario.policies if p.name == name), None)
    held = [n for n in names if kept is None or n not in kept.without]
    return PolicyResult(
        name=name,
        num_requests=len(rows),
        value=mean_by_session(rows.value, session),
        revenue=mean_by_session(rows.revenue, session),
        clicks=mean_by_session(rows.clicked.sum(axis=1).astype(np.float64), session),
        conversions=mean_by_session(np.isfinite(rows.converted_at).sum(axis=1).astype(np.float64), session),
        change=None if first is None else mean_by_session(rows.value - first.value, session),
        limits=tuple(
            LimitUse(name, *(float(column[:, q].mean()) for column in (rows.limit, rows.use, rows.dual)))
            for q, name in enumerate(held)
        ),
    )


def segment_changes(
    rows: Rows, first: Rows, segments: tuple[str, ...], max_depth: int
) -> tuple[SegmentChange, ...]:
    """Returns each segment's change of value, best first; both runs met the same requests."""
    change = rows.value - first.value
    session = rows.number // np.uint64(max_depth)
    found = []
    for code, name in enumerate(segments):
        members = rows.segment == code
        if members.any():
            found.append(
                SegmentChange(name, int(members.sum()), mean_by_session(change[members], session[members]))
            )
    return tuple(sorted(found, key=lambda each: -each.change.value))


def by_day(rows: Rows, values: Floats) -> Floats:
    """Returns the mean of values `(R,)` of each day `(days,)`."""
    day = (rows.seconds // DAY_SECONDS).astype(np.int64)
    means: Floats = np.bincount(day, values) / np.maximum(np.bincount(day), 1)
    return means


def conversions_by_age(rows: Rows, ages_seconds: Floats) -> tuple[Floats, Floats]:
    """Returns the share of conversions known after each age, and its eventual number of clicks' rate.

    Both `(ages,)`: the share of all conversions, and conversions per click as a look at that age has them.
    """
    clicked = rows.clicked.ravel()
    delay = (rows.converted_at - rows.seconds[:, None]).ravel()[clicked]
    known = np.array([(delay <= age).sum() for age in ages_seconds], np.float64)
    total = max(float(np.isfinite(delay).sum()), 1.0)
    return known / total, known / max(len(delay), 1)
