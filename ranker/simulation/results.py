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
NUM_BINS = 12
# Points of a drawn curve; more than a figure can show.
CURVE_POINTS = 200


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


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Precision by recall, and hits by false alarms, of predicted click chances."""

    recall: Floats
    precision: Floats
    false_alarms: Floats
    pr_auc: float
    roc_auc: float
    base_rate: float


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Predicted and observed click rates of bins `(m,)`, with the observed rates' intervals."""

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats


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


def calibration(predicted: Floats, clicked: Floats) -> Calibration:
    """Returns bins of equal counts; observed rates with Wilson's interval.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, NUM_BINS)
    n = np.array([len(part) for part in parts], np.float64)
    rate = np.array([clicked[part].mean() for part in parts])
    z = float(ndtri((1 + LEVEL) / 2))
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return Calibration(np.array([predicted[p].mean() for p in parts]), rate, middle - half, middle + half)


def curves(predicted: Floats, clicked: Floats) -> Curves:
    """Returns precision–recall and ROC of predictions `(N,)` of clicks `(N,)`, ties taken together."""
    scores, index = np.unique(-predicted, return_inverse=True)
    hits = np.bincount(index, clicked, len(scores)).cumsum()
    shown = np.bincount(index, minlength=len(scores)).cumsum().astype(np.float64)
    recall, precision = hits / hits[-1], hits / shown
    false_alarms = (shown - hits) / (shown[-1] - hits[-1])
    gained = np.diff(recall, prepend=0.0)
    area = np.diff(false_alarms, prepend=0.0) * (recall + np.concatenate([[0.0], recall[:-1]])) / 2
    kept = np.unique(np.linspace(0, len(scores) - 1, CURVE_POINTS).astype(int))
    return Curves(
        recall[kept],
        precision[kept],
        false_alarms[kept],
        pr_auc=float(precision @ gained),
        roc_auc=float(area.sum()),
        base_rate=float(clicked.mean()),
    )


def conversions_by_age(rows: Rows, ages_seconds: Floats) -> tuple[Floats, Floats]:
    """Returns the share of conversions known after each age, and its eventual number of clicks' rate.

    Both `(ages,)`: the share of all conversions, and conversions per click as a look at that age has them.
    """
    clicked = rows.clicked.ravel()
    delay = (rows.converted_at - rows.seconds[:, None]).ravel()[clicked]
    known = np.array([(delay <= age).sum() for age in ages_seconds], np.float64)
    total = max(float(np.isfinite(delay).sum()), 1.0)
    return known / total, known / max(len(delay), 1)
