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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ranker.rerun.alike import Alike
    from ranker.rerun.captured_log import Captured
    from ranker.slate import Decision, RankRequest

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

# The requests of the last two steps: with the policy's scores, and with its limits too.
Asked: TypeAlias = "tuple[RankRequest, RankRequest]"

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


CAUSES = tuple(Cause)
_CODE = {cause: code for code, cause in enumerate(CAUSES)}


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """How much more attention candidates get at each of the four steps, and why."""

    attention: Floats  # (4, B, n), 0 where the move is rounding
    causes: Ints  # (4, B, n), places in CAUSES


@dataclass(frozen=True, slots=True)
class Steps:
    """The decisions of the four steps."""

    same: Decision  # logged exploration, scores and limits
    explored: Decision  # the policy's exploration
    rescored: Decision  # and its scores
    changed: Decision  # and its limits


def moves(alike: Alike, tables: Sequence[Floats], steps: Sequence[Steps], asked: Sequence[Asked]) -> Moves:
    """Returns what moved between the steps of a group.

    `tables` are P(candidate at position) `(B, n, k)` as logged and at each of the four steps; `asked` are
    the requests of the last two steps.
    """
    attention = [(table @ alike.attention[:, :, None])[:, :, 0] for table in tables]
    change = np.array([after - before for before, after in pairwise(attention)])
    change[np.abs(change) <= LEAST_MOVE] = 0.0
    causes = np.empty(change.shape, np.int64)
    causes[0], causes[1] = _CODE[Cause.CODE], _CODE[Cause.EXPLORATION]
    # A candidate's cause is asked for only where something moved.
    for b in np.flatnonzero(change[2].any(axis=1)).tolist():
        causes[2, b] = _own_or_price(steps[b].explored, steps[b].rescored, asked[b][0])
    for b in np.flatnonzero(change[3].any(axis=1)).tolist():
        causes[3, b] = _limit_or_price(steps[b].rescored, steps[b].changed, asked[b])
    return Moves(change, causes)


def changed_creatives(captured: Captured, changed: Decision) -> int:
    """Returns how many ads stand where they stood, in another composition."""
    ids = captured.request.candidates.ids
    return sum(
        ad.candidate_id == ids[shown] and (ad.creative.elements if ad.creative else None) != elements
        for ad, shown, elements in zip(
            changed.shown, captured.shown.tolist(), captured.creatives, strict=True
        )
    )


def _own_or_price(before: Decision, after: Decision, request: RankRequest) -> Ints:
    """Returns the larger part of the change of each reduced value, cᵢ − Σ_q λ_q·M_qi."""
    value = (np.array(after.ctr) - np.array(before.ctr)) * request.candidates.bids
    change = price(after, request) - price(before, request)
    return _larger(value, change)


def _limit_or_price(before: Decision, after: Decision, requests: Asked) -> Ints:
    old, new = ({c.name: c.limit for c in request.constraints} for request in requests)
    touched = [q for q, c in enumerate(requests[0].constraints) if new.get(c.name) != old[c.name]]
    spoken_of = (requests[0].constraint_weights[touched] != 0).any(axis=0)
    change = price(after, requests[1]) - price(before, requests[0])
    causes = _larger(np.zeros(len(change)), change)
    causes[np.broadcast_to(spoken_of, causes.shape)] = _CODE[Cause.CONSTRAINT]
    return causes


def _larger(value: Floats, price: Floats) -> Ints:
    causes = np.where(np.abs(value) >= np.abs(price), _CODE[Cause.SCORE], _CODE[Cause.DUAL_PRICE])
    causes[(np.abs(value) <= LEAST_MOVE) & (np.abs(price) <= LEAST_MOVE)] = _CODE[Cause.DISPLACED]
    return causes
