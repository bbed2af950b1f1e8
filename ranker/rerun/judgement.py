"""From rerun rows to what each policy is worth: estimates, intervals, verdicts, winners and losers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.diagnostics import answerable, diagnose
from ranker.replay.evaluation import Estimate, evaluate
from ranker.replay.intervals import Interval, skewed_mean_interval
from ranker.replay.logged_batch import WeightedRows
from ranker.replay.moments import accumulate
from ranker.replay.row_study import Change

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

SEED = 2021
HEADLINE = "DR"
# Segments with fewer requests are too small to be called winners or losers.
MIN_SEGMENT_REQUESTS = 100


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
    where a click depends on its own ad and position alone (position-based attention); RIPS, Cascade-DR and
    SIPS weigh beginnings and whole slates instead.
    Raises InvalidInputError where no row can be judged.
    """
    if not columns:
        raise InvalidInputError("log", 0, "holds no captured request with joined rewards")
    request = np.unique(columns["request"], return_inverse=True)[1]
    num_requests = int(request.max()) + 1
    per_request = len(request) / num_requests
    logged = _added_up(columns["reward"] * columns["bid"], request)
    return Judgement(
        num_requests,
        len(request),
        float(logged.mean()),
        _interval(logged, level),
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


def worth_by_request(rows: WeightedRows, request: NDArray[np.int64]) -> Floats:
    """Returns the terms of DR added up by request `(R,)`."""
    terms = rows.baseline_target + rows.weights * (rows.rewards - rows.baseline_logged)
    return _added_up(terms, request)


def _judged(
    columns: dict[str, NDArray[Any]], name: str, request: NDArray[np.int64], how: tuple[float, float]
) -> PolicyJudgement:
    level, per_request = how
    rows = weighted(columns, name, request)
    found = evaluate(accumulate(rows), np.random.default_rng(SEED), level=level)
    worth = worth_by_request(rows, request)
    change = worth - _added_up(rows.rewards, request)
    segment = np.zeros(len(change), columns["segment"].dtype)
    segment[request] = columns["segment"]
    changes = [
        _change(str(each), change[segment == each], level)
        for each in np.unique(segment)
        if (segment == each).sum() >= MIN_SEGMENT_REQUESTS
    ]
    return PolicyJudgement(
        name,
        {each.estimator: _scaled(each, per_request) for each in found.values()}
        | _by_slate(columns, name, request, how)
        | {
            HEADLINE: _mean_of(found[HEADLINE], worth, how),
            "IPS": _mean_of(found["IPS"], _added_up(rows.weights * rows.rewards, request), how),
            "PI": _pseudo_inverse(rows.rewards, columns[f"additive:{name}"], request, level),
        },
        _change("all", change, level),
        tuple(sorted(changes, key=lambda each: -each.value)),
    )


def _by_slate(
    columns: dict[str, NDArray[Any]], name: str, request: NDArray[np.int64], how: tuple[float, float]
) -> dict[str, Estimate]:
    """Returns RIPS, Cascade-DR and SIPS: they hold where clicks depend on what stands above, SIPS anywhere.

    On weights of beginnings 0 … j instead of positions, IPS is RIPS and DR is Cascade-DR
    (`ranker.replay.estimators.slate`); on weights of the whole slate IPS is SIPS.
    """
    rewards = columns["reward"] * columns["bid"]
    baselines = columns[f"cascade_logged:{name}"], columns[f"cascade_target:{name}"]
    beginnings = WeightedRows(rewards, columns[f"cascade:{name}"], *baselines, request)
    slates = WeightedRows(rewards, columns[f"slate:{name}"], *baselines, request)
    cascade = evaluate(accumulate(beginnings), np.random.default_rng(SEED), level=how[0])
    whole = evaluate(accumulate(slates), np.random.default_rng(SEED), level=how[0], with_model=False)
    found = {
        "RIPS": (cascade["IPS"], _added_up(beginnings.weights * rewards, request)),
        "Cascade-DR": (cascade["DR"], worth_by_request(beginnings, request)),
        "SIPS": (whole["IPS"], _added_up(slates.weights * rewards, request)),
    }
    return {
        label: replace(_mean_of(each, terms, how), estimator=label) for label, (each, terms) in found.items()
    }


def _pseudo_inverse(rewards: Floats, weights: Floats, request: NDArray[np.int64], level: float) -> Estimate:
    """Returns 1/n·Σᵢ wᵢrᵢ of whole slates, per request.

    The weights may be negative: what a log can answer is told by their sizes, their mean by their signs.
    """
    worth = _added_up(rewards, request)
    by_slate = np.empty(len(worth))
    by_slate[request] = weights
    diagnostics = replace(
        diagnose(worth, np.abs(by_slate)),
        mean_weight=float(by_slate.mean()),
        mean_weight_error=float(by_slate.std() / np.sqrt(len(worth))),
    )
    terms = by_slate * worth
    return Estimate(
        "PI",
        float(terms.mean()),
        _interval(terms, level),
        level,
        diagnostics,
        *answerable(diagnostics),
    )


def _change(name: str, change: Floats, level: float) -> Change:
    return Change(name, len(change), float(change.mean()), _interval(change, level))


def _added_up(terms: Floats, request: NDArray[np.int64]) -> Floats:
    """Returns the terms of rows `(n,)` added up by request `(R,)`."""
    return np.bincount(request, terms).astype(np.float64)


def _interval(values: Floats, level: float) -> Interval:
    """Returns the interval of the mean of values `(R,)` of independent requests."""
    if len(values) < 2:
        raise InvalidInputError("log", len(values), "an interval needs at least two requests")
    return skewed_mean_interval(values, level=level)


def _mean_of(estimate: Estimate, terms: Floats, how: tuple[float, float]) -> Estimate:
    """Returns the estimate per request with the interval of the mean of its terms `(R,)`."""
    level, per_request = how
    return replace(_scaled(estimate, per_request), interval=_interval(terms, level))


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    interval = Interval(factor * estimate.interval.low, factor * estimate.interval.high)
    return replace(estimate, value=factor * estimate.value, interval=interval)
