"""What an operator may choose about the event store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from ranker.errors import InvalidInputError


class Durability(StrEnum):
    """What a decision has outlived before its response leaves."""

    COMMITTED = "committed"  # a kill of the process, at once: the response waits for the commit
    SYNCED = "synced"  # a loss of power as well: each commit is flushed to the disk
    QUEUED = "queued"  # nothing yet: the response does not wait, a kill loses what is queued

    @property
    def waits(self) -> bool:
        """Whether the caller waits for the commit of a decision before it answers."""
        return self is not Durability.QUEUED


@dataclass(frozen=True, slots=True)
class EventSettings:
    """How events are written and joined."""

    durability: Durability = Durability.COMMITTED
    # An outcome received within this many seconds of its decision becomes the reward of its position.
    window_seconds: float = 600.0
    # How often positions whose window has passed get their default reward of 0.
    sweep_seconds: float = 1.0
    # Decisions that one sweep closes at most; what is left follows in the next transaction.
    sweep_limit: int = 200
    # Records (decisions and outcomes) that wait for the writer at most.
    queue_capacity: int = 8_192
    # How long a record waits for room in a full queue before it is refused.
    patience_seconds: float = 0.05
    # Records that one transaction takes at most; a single report is never split.
    batch_limit: int = 512
    # Captured requests are deleted when they are older, decisions with all that belongs to them likewise.
    keep_requests_seconds: float = math.inf
    keep_decisions_seconds: float = math.inf
    # Whether what was never exported stays, however old.
    keep_unexported: bool = True

    def __post_init__(self) -> None:
        for name in ("window_seconds", "sweep_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(f"events.{name}", value, "must be finite and positive")
        if not (math.isfinite(self.patience_seconds) and self.patience_seconds >= 0):
            raise InvalidInputError(
                "events.patience_seconds", self.patience_seconds, "must be finite and not negative"
            )
        for name in ("keep_requests_seconds", "keep_decisions_seconds"):
            if not getattr(self, name) > self.window_seconds:
                raise InvalidInputError(
                    f"events.{name}",
                    getattr(self, name),
                    f"must exceed window_seconds = {self.window_seconds}",
                )
        for name in ("sweep_limit", "queue_capacity", "batch_limit"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"events.{name}", getattr(self, name), "must be at least 1")
