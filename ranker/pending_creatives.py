"""What the creative learner is told of impressions whose click may still come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from bandit.delay import completion_curve
from bandit.outcomes import CreativeOutcome, Pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.events.records import OpenDecision

MAX_DECISIONS = 2_000
"""Open decisions that are read for a posterior; of more, a sample stands for all."""


class OpenWindows(Protocol):
    """Where decisions are read whose window is open."""

    def open_decisions(self, limit: int) -> tuple[list[OpenDecision], int]:
        """Returns about `limit` of them at most, and how many each stands for."""
        ...

    def reward_times(self, limit: int) -> list[tuple[float, float]]:
        """Returns when they were made and when their positive rewards were received."""
        ...


def pending_creatives(windows: OpenWindows, knows: Callable[[CreativeOutcome], bool], now: float) -> Pending:
    """Reads the shown creatives that have no reward yet, and how late the others' clicks came.

    Clocks of several servers may disagree a little: no age and no delay is below 0, no delay above its age.
    """
    times = np.array(windows.reward_times(MAX_DECISIONS)).reshape(-1, 2)
    delays = np.maximum(0.0, times[:, 1] - times[:, 0])
    curve = completion_curve(delays, np.maximum(delays, now - times[:, 0]))
    shown, ages = [], []
    decisions, stands_for = windows.open_decisions(MAX_DECISIONS)
    for each in decisions:
        for position in each.positions:
            creative = each.decision.shown[position].creative
            if creative is None:
                continue
            one = creative.space_id, each.decision.context, creative.elements
            if knows(CreativeOutcome(*one, 0.0)):
                shown.append(one)
                ages.append(max(0.0, now - each.decision.created_at))
    return Pending(shown, np.array(ages), curve, float(stands_for))
