"""Why a decision is what it is: scores, prices, draws, and what each constraint cost.

The mixture maximises Σᵢ (valueᵢ − Σ_q λ_q·M_qi)·(attention of i), so a candidate's reduced value says how
well it stood: value less what its weights cost at the duals λ. A constraint cost what the mixture without it
is worth more, (objective without q) − objective: solved again, not read off the dual, which prices one unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ranker.decision_replay import plan_of
from ranker.pipeline import rank
from ranker.replay.marginals import position_marginals
from ranker.request_streams import request_rng
from ranker.stages import StageTimer

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from ranker.decision_replay import ReplayedDecision
    from ranker.slate import Decision, RankRequest


@dataclass(frozen=True, slots=True)
class CandidateExplanation:
    """How one candidate stood."""

    candidate_id: str
    ctr: float
    bid: float
    value: float
    reduced_value: float  # value − Σ_q λ_q·M_qi
    expected_attention: float  # Σⱼ aⱼ·P(i at j), exploration included
    position: int | None  # where it was shown


@dataclass(frozen=True, slots=True)
class ConstraintExplanation:
    """What one constraint did."""

    name: str
    dual: float
    cost: float  # value that the mixture gains without it; negative only within the solver's gap


@dataclass(frozen=True, slots=True)
class Explanation:
    """What led to the shown slate."""

    replayed: ReplayedDecision
    candidates: tuple[CandidateExplanation, ...]
    constraints: tuple[ConstraintExplanation, ...]
    constraints_cost: float  # of all together
    exploration_draw: float  # uniform on [0, 1): below the exploration ratio the slate is a random one
    mixture_draw: float  # uniform on [0, 1): picks the slate by cumulated probability

    @property
    def explored(self) -> bool:
        """Whether the slate was a uniformly random one."""
        return self.exploration_draw < self.replayed.recomputed.exploration_ratio


def explain(replayed: ReplayedDecision) -> Explanation:
    """Explains what was recomputed: where that differs from the log, it explains the former."""
    decision, request = replayed.recomputed, replayed.request
    rng = request_rng(replayed.settings.draw_key, request.request_id, decision.experiment)
    exploration_draw, mixture_draw = rng.random(2)
    return Explanation(
        replayed,
        _candidates(decision, request),
        tuple(
            ConstraintExplanation(report.name, report.dual, _gain_without(replayed, [q]))
            for q, report in enumerate(decision.constraints)
        ),
        _gain_without(replayed, range(len(decision.constraints))),
        float(exploration_draw),
        float(mixture_draw),
    )


def _gain_without(replayed: ReplayedDecision, dropped: Collection[int]) -> float:
    """Returns what the mixture without the dropped constraints is worth more."""
    request = replayed.request
    kept = [q for q in range(len(request.constraints)) if q not in dropped]
    if len(kept) == len(request.constraints):
        return 0.0
    loosened = replace(
        request,
        constraints=tuple(request.constraints[q] for q in kept),
        constraint_weights=request.constraint_weights[kept],
    )
    plan = plan_of(replayed.logged)
    answer = rank(loosened, replayed.snapshot, replayed.settings, StageTimer(), plan)
    return answer.expected_objective - replayed.recomputed.expected_objective


def _candidates(decision: Decision, request: RankRequest) -> tuple[CandidateExplanation, ...]:
    ctr, bids = np.array(decision.ctr), request.candidates.bids
    attention = _expected_attention(decision)
    reduced = ctr * bids - price(decision, request)
    position = {ad.candidate_id: j for j, ad in enumerate(decision.shown)}
    return tuple(
        CandidateExplanation(
            name,
            float(ctr[i]),
            float(bids[i]),
            float(ctr[i] * bids[i]),
            float(reduced[i]),
            float(attention[i]),
            position.get(name),
        )
        for i, name in enumerate(decision.candidate_ids)
    )


def price(decision: Decision, request: RankRequest) -> NDArray[np.float64]:
    """Returns Σ_q λ_q·M_qi `(n,)`, rows of lower limits negated as the solver has them.

    Weights by position p count as spread over all positions: M_qi·Σⱼ pⱼ / Σⱼ aⱼ a unit of attention.
    """
    attention = sum(ad.attention for ad in decision.shown)
    dual = np.array([c.dual * (-1.0 if c.relation == "at_least" else 1.0) for c in decision.constraints])
    dual *= [sum(c.position_weights) / attention if c.position_weights else 1.0 for c in request.constraints]
    weights = request.constraint_weights.reshape(len(dual), len(decision.candidate_ids))
    total: NDArray[np.float64] = dual @ weights
    return total


def _expected_attention(decision: Decision) -> NDArray[np.float64]:
    table = position_marginals(
        np.array(decision.slates),
        np.array(decision.probabilities),
        len(decision.candidate_ids),
        decision.exploration_ratio,
    )
    expected: NDArray[np.float64] = table @ np.array([ad.attention for ad in decision.shown])
    return expected
