"""From rerun rows to what each policy is worth: estimates, intervals, verdicts, winners and losers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.evaluation import Estimate, evaluate
from ranker.replay.intervals import Interval
from ranker.replay.logged_batch import WeightedRows
from ranker.replay.moments import NUM_BLOCKS, accumulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

SEED = 2021
HEADLINE = "DR"
NUM_RESAMPLES = 1000
# Segments with fewer requests are too small to be called winners or losers.
MIN_SEGMENT_REQUESTS = 100


@dataclass(frozen=True, slots=True)
class Change:
    """A difference with its interval; value per request."""

    name: str
    num_requests: int
    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class PolicyJudgement:
    """What the log says of one policy, in value per request."""

    name: str
    estimates: dict[str, Estimate]
    difference: Change  # to the log, by DR, paired
    segments: tuple[Change, ...]  # the same by segment, best first


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the log says of all policies."""

    num_requests: int
    num_rows: int
    logged_value: float
    logged_interval: Interval
    policies: tuple[PolicyJudgement, ...]

    def policy(self, name: str) -> PolicyJudgement:
        """Returns the judgement of a policy."""
        return next(each for each in self.policies if each.name == name)


def judge_policies(
    columns: dict[str, NDArray[Any]], names: tuple[str, ...], *, level: float = 0.95
) -> Judgement:
    """Returns the judgement of rerun rows `(n,)`; rows of a request are resampled together.

    An item at a position is rewarded as it was logged there: wᵢⱼ = π(i at j) / π₀(i at j). That is unbiased
    where a click depends on its own ad and position alone (position-based attention).
    Raises InvalidInputError where no row can be judged.
    """
    if not columns:
        raise InvalidInputError("log", 0, "holds no captured request with joined rewards")
    request = np.unique(columns["request"], return_inverse=True)[1]
    num_requests = int(request.max()) + 1
    per_request = len(request) / num_requests
    logged = np.bincount(request, columns["reward"] * columns["bid"]).astype(np.float64)
    return Judgement(
        num_requests,
        len(request),
        float(logged.mean()),
        _bootstrap(logged, level),
        tuple(_judged(columns, name, request, (level, per_request)) for name in names),
    )


def weighted(columns: dict[str, NDArray[Any]], name: str, request: NDArray[np.int64]) -> WeightedRows:
    """Returns the rows as the estimators take them; rewards are values, click × bid."""
    return WeightedRows(
        rewards=columns["reward"] * columns["bid"],
        weights=columns[f"target:{name}"] / columns["propensity"],
        baseline_logged=columns["predicted"] * columns["bid"],
        baseline_target=columns[f"baseline:{name}"],
        requests=request,
    )


def _judged(
    columns: dict[str, NDArray[Any]], name: str, request: NDArray[np.int64], how: tuple[float, float]
) -> PolicyJudgement:
    level, per_request = how
    rows = weighted(columns, name, request)
    found = evaluate(accumulate(rows), np.random.default_rng(SEED), level=level)
    terms = rows.baseline_target + rows.weights * (rows.rewards - rows.baseline_logged) - rows.rewards
    change = np.bincount(request, terms).astype(np.float64)
    segment = np.zeros(len(change), columns["segment"].dtype)
    segment[request] = columns["segment"]
    changes = [
        _change(str(each), change[segment == each], level)
        for each in np.unique(segment)
        if (segment == each).sum() >= MIN_SEGMENT_REQUESTS
    ]
    return PolicyJudgement(
        name,
        {each.estimator: _scaled(each, per_request) for each in found.values()},
        _change("all", change, level),
        tuple(sorted(changes, key=lambda each: -each.value)),
    )


def _change(name: str, change: Floats, level: float) -> Change:
    return Change(name, len(change), float(change.mean()), _bootstrap(change, level))


def _bootstrap(values: Floats, level: float) -> Interval:
    """Returns the percentile interval of the mean over resampled blocks of requests."""
    blocks = np.arange(len(values)) % NUM_BLOCKS
    sums, counts = np.bincount(blocks, values), np.bincount(blocks)
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=NUM_RESAMPLES)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high))


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    interval = Interval(factor * estimate.interval.low, factor * estimate.interval.high)
    return replace(estimate, value=factor * estimate.value, interval=interval)
