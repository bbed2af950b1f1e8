"""The records that the event store takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from ranker.slate import Decision


END_OF_TIME = 253_402_300_800.0  # the year 10,000, beyond which protobuf has no timestamps


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen to happen at one position of one decision. The event id makes reports idempotent."""

    event_id: str
    decision_id: str
    position: int
    event_type: str  # "click", "conversion", …
    reward: float
    occurred_at: float  # seconds since the epoch, by the reporter's clock

    def __post_init__(self) -> None:
        for name in ("event_id", "decision_id", "event_type"):
            _check_text(f"outcome.{name}", getattr(self, name))
        if self.position < 0:
            raise InvalidInputError("outcome.position", self.position, "must not be negative")
        for name in ("reward", "occurred_at"):
            if not np.isfinite(getattr(self, name)):
                raise InvalidInputError(f"outcome.{name}", getattr(self, name), "must be finite")
        if not 0 <= self.occurred_at < END_OF_TIME:
            raise InvalidInputError(
                "outcome.occurred_at", self.occurred_at, "must lie in the years 1970 … 9999"
            )
        if self.reward not in (0.0, 1.0):
            raise InvalidInputError(
                "outcome.reward", self.reward, "must be 0 or 1: it happened or it did not"
            )


def _check_text(name: str, value: str) -> None:
    if not value:
        raise InvalidInputError(name, value, "must not be empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half a surrogate pair: no store can keep it
        raise InvalidInputError(name, value, "must be Unicode text") from error


@dataclass(frozen=True, slots=True)
class OpenDecision:
    """A decision within its window, and the positions of it that have no reward yet."""

    decision: Decision
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class JoinedReward:
    """The reward of one shown position: its first outcome within the window, or 0 once that has passed."""

    sequence: int  # grows by time of joining: a learner's high-water mark
    decision: Decision
    position: int
    reward: float
    expired: bool  # True: no outcome came within the window
