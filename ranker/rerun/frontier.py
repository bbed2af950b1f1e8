"""What limits and attention are worth: the same requests solved again under others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import RankerError
from ranker.pipeline import PipelineSettings
from ranker.rank_many import rank_many
from ranker.replay.marginals import position_marginals
from ranker.slate import Basis, Relation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ranker.slate import ConstraintReport, Decision, RankRequest
    from ranker.snapshot import Snapshot

    Floats: TypeAlias = NDArray[np.float64]

SHARES = np.linspace(0.0, 1.0, 11)
NUM_DRAWS = 24
_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, eq=False)
class Frontier:
    """Mean objective and dual of one constraint at each of its limits `(l,)`; other limits stay."""

    name: str
    present: float
    relation: str
    limits: Floats
    objective: Floats
    slope: Floats  # what one more unit of the limit would change, by the duals
    use: Floats  # in the limit's own unit
    is_share: bool = True  # the unit: share of attention


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """What uncertainty about attention does to value; `draws` `(d, k)` are curves within the intervals."""

    curve: Floats  # (k,)
    low: Floats
    high: Floats
    draws: Floats
    objective: float  # under the curve
    value_if: Floats  # (d,), worth of our slates if the draw were true
    loss_if: Floats  # (d,), share lost against slates made for the draw


def frontier(
    name: str, requests: Sequence[RankRequest], snapshot: Snapshot, progress: Callable[[], None]
) -> Frontier:
    """Solves the requests at every limit of one constraint, which all of them have; without exploration."""
    first = requests[0]
    constraint = next(c for c in first.constraints if c.name == name)
    limits = SHARES if constraint.basis is Basis.SHARE_OF_ATTENTION else SHARES * 2 * constraint.limit
    limits = np.unique(np.append(limits, constraint.limit))
    unit = float(first.attention.sum()) if constraint.basis is Basis.SHARE_OF_ATTENTION else 1.0  # type: ignore[union-attr]
    sign = -1.0 if constraint.relation is Relation.AT_LEAST else 1.0
    found = []
    for limit in limits.tolist():
        decisions = _decided([_with_limit(each, name, limit) for each in requests], snapshot)
        found.append(
            [
                np.mean([d.expected_objective for d in decisions]),
                sign * unit * np.mean([_report(d, name).dual for d in decisions]),
                np.mean([_report(d, name).expected_use for d in decisions]) / unit,
            ]
        )
        progress()
    objective, slope, use = np.array(found).T
    is_share = constraint.basis is Basis.SHARE_OF_ATTENTION
    return Frontier(
        name, constraint.limit, constraint.relation.value, limits, objective, slope, use, is_share
    )


def sensitivity(
    fit: tuple[Floats, ...],
    requests: Sequence[RankRequest],
    snapshot: Snapshot,
    rng: np.random.Generator,
    progress: Callable[[], None],
) -> Sensitivity:
    """Solves the requests for curves drawn by the attention's 95 % intervals, normal and non-increasing.

    `fit` holds the curve and the ends of its intervals, each at least as long as the requests' slates.
    """
    k = requests[0].num_positions
    curve, low, high = (values[:k] for values in fit)
    noise = rng.standard_normal((NUM_DRAWS, k)) * (high - low) / (2 * _Z95)
    draws = np.clip(np.minimum.accumulate(curve + noise, axis=1), 1e-6, 1.0)
    ours = [_expected_attention(d) for d in _decided(_looked_at(requests, curve), snapshot)]
    values = [np.array(r.candidates.ctr) * r.candidates.bids for r in requests]
    value_if, best_if = [], []
    for draw in draws:
        value_if.append(np.mean([v @ (table @ draw) for v, table in zip(values, ours, strict=True)]))
        best = [_expected_attention(d) for d in _decided(_looked_at(requests, draw), snapshot)]
        best_if.append(np.mean([v @ (table @ draw) for v, table in zip(values, best, strict=True)]))
        progress()
    objective = float(np.mean([v @ (table @ curve) for v, table in zip(values, ours, strict=True)]))
    return Sensitivity(
        curve, low, high, draws, objective, np.array(value_if), 1.0 - np.array(value_if) / np.array(best_if)
    )


def _with_limit(request: RankRequest, name: str, limit: float) -> RankRequest:
    changed = tuple(replace(c, limit=limit) if c.name == name else c for c in request.constraints)
    return replace(request, constraints=changed)


def _report(decision: Decision, name: str) -> ConstraintReport:
    return next(c for c in decision.constraints if c.name == name)


def _looked_at(requests: Sequence[RankRequest], attention: Floats) -> list[RankRequest]:
    return [replace(each, attention=attention) for each in requests]


def _expected_attention(decision: Decision) -> Floats:
    """Returns P(candidate at position) `(n, k)`."""
    return position_marginals(
        np.array(decision.slates), np.array(decision.probabilities), len(decision.candidate_ids), 0.0
    )


def _decided(requests: list[RankRequest], snapshot: Snapshot) -> list[Decision]:
    found = []
    for answer in rank_many(requests, snapshot, PipelineSettings(exploration_ratio=0.0), num_threads=1):
        if isinstance(answer, RankerError):
            raise answer
        found.append(answer)
    return found
