"""Why a rerun shows other ads: by each candidate, how its attention moved and what moved it.

A rerun goes in steps, each through the pipeline: the logged exploration, scores and limits with this code,
then the policy's exploration, its scores and its limits. What moves between two steps was moved by what
changed between them.
Attention of candidate i is Σⱼ aⱼ·P(i at j), of the mixture with its exploration share.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.explanation import price
from ranker.replay.marginals import position_marginals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.rerun.captured_log import Captured
    from ranker.slate import Decision, RankRequest

    Floats: TypeAlias = NDArray[np.float64]

# Attention that moves less than this is rounding of the solver.
LEAST_MOVE = 1e-6


class Cause(StrEnum):
    """What moved a candidate."""

    CODE = "code"  # same scores and limits: this release answers otherwise
    EXPLORATION = "exploration"  # the share of random slates was changed
    SCORE = "score"  # its own value changed most
    DUAL_PRICE = "dual_price"  # what its weights cost changed most
    CONSTRAINT = "constraint"  # a limit that speaks of it was changed or dropped
    DISPLACED = "displaced"  # nothing of its own changed: others took or left its place


@dataclass(frozen=True, slots=True)
class Move:
    """How much more attention a candidate gets, and why."""

    candidate_id: str
    attention: float
    cause: Cause


@dataclass(frozen=True, slots=True)
class Steps:
    """The decisions of the four steps."""

    same: Decision  # logged exploration, scores and limits
    explored: Decision  # the policy's exploration
    rescored: Decision  # and its scores
    changed: Decision  # and its limits


def marginals(decision: Decision) -> Floats:
    """Returns P(candidate i at position j) `(n, k)`, exploration included."""
    return position_marginals(
        np.array(decision.slates), np.array(decision.probabilities), len(decision.candidate_ids),
        decision.exploration_ratio,
    )  # fmt: skip


def moves(captured: Captured, steps: Steps, requests: tuple[RankRequest, RankRequest]) -> list[Move]:
    """Returns every candidate that moved in some step; `requests` are those of the last two steps."""
    logged = position_marginals(
        captured.slates, captured.probabilities, len(captured.ctr), captured.exploration_ratio
    )
    attention = [
        table @ captured.attention
        for table in (
            logged,
            *(marginals(d) for d in (steps.same, steps.explored, steps.rescored, steps.changed)),
        )
    ]
    causes = (
        np.full(len(captured.ctr), Cause.CODE, object),
        np.full(len(captured.ctr), Cause.EXPLORATION, object),
        _own_or_price(steps.explored, steps.rescored, requests[0]),
        _limit_or_price(steps.rescored, steps.changed, requests),
    )
    ids = captured.request.candidates.ids
    return [
        Move(ids[i], float(after[i] - before[i]), Cause(cause[i]))
        for (before, after), cause in zip(pairwise(attention), causes, strict=True)
        for i in np.flatnonzero(np.abs(after - before) > LEAST_MOVE).tolist()
    ]


def changed_creatives(captured: Captured, changed: Decision) -> int:
    """Returns how many ads stand where they stood, in another composition."""
    ids = captured.request.candidates.ids
    return sum(
        ad.candidate_id == ids[shown] and (ad.creative.elements if ad.creative else None) != elements
        for ad, shown, elements in zip(
            changed.shown, captured.shown.tolist(), captured.creatives, strict=True
        )
    )


def _own_or_price(before: Decision, after: Decision, request: RankRequest) -> NDArray[np.object_]:
    """Returns the larger part of the change of each reduced value, cᵢ − Σ_q λ_q·M_qi."""
    value = (np.array(after.ctr) - np.array(before.ctr)) * request.candidates.bids
    change = price(after, request) - price(before, request)
    return _larger(value, change)


def _limit_or_price(
    before: Decision, after: Decision, requests: tuple[RankRequest, RankRequest]
) -> NDArray[np.object_]:
    old, new = ({c.name: c.limit for c in request.constraints} for request in requests)
    touched = [q for q, c in enumerate(requests[0].constraints) if new.get(c.name) != old[c.name]]
    spoken_of = (requests[0].constraint_weights[touched] != 0).any(axis=0)
    change = price(after, requests[1]) - price(before, requests[0])
    causes = _larger(np.zeros(len(change)), change)
    causes[np.broadcast_to(spoken_of, causes.shape)] = Cause.CONSTRAINT
    return causes


def _larger(value: Floats, price: Floats) -> NDArray[np.object_]:
    causes = np.where(np.abs(value) >= np.abs(price), Cause.SCORE, Cause.DUAL_PRICE).astype(object)
    causes[(np.abs(value) <= LEAST_MOVE) & (np.abs(price) <= LEAST_MOVE)] = Cause.DISPLACED
    return causes
