"""The port: what every event store promises, whatever keeps the rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from ranker.events.records import JoinedReward, OpenDecision, Outcome
    from ranker.events.settings import Durability
    from ranker.slate import Decision, RankRequest


class OutcomeStatus(StrEnum):
    """What became of one reported outcome. Nothing is stored of the unknown ones: report them again."""

    JOINED = "joined"  # the reward of its position
    LATE = "late"  # kept, not joined: received after the window
    ALREADY_REWARDED = "already_rewarded"  # kept, not joined: its position has a reward
    DUPLICATE = "duplicate"  # its event id is stored: the report is a retry
    PUBLISHED = "published"  # on the event bus, and not yet in the store: what becomes of it is seen there
    UNKNOWN_DECISION = "unknown_decision"
    UNKNOWN_POSITION = "unknown_position"  # not below the number of shown ads


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """The decision that is stored under an id: the one just given, or the one that came first."""

    decision: Decision
    is_new: bool


@dataclass(frozen=True, slots=True)
class EventCounts:
    """How many of each a store has seen since it was opened, or all stores over the life of the rows."""

    decisions: int = 0
    repeated: int = 0  # decisions whose id was stored already
    joined: int = 0
    late: int = 0
    already_rewarded: int = 0
    duplicate: int = 0
    unknown_decision: int = 0
    unknown_position: int = 0
    expired: int = 0  # positions that got the default reward
    retired: int = 0  # decisions deleted for their age
    retired_requests: int = 0  # captured requests deleted for their age
    queued: int = 0  # records that wait for the writer now
    dropped: int = 0  # records refused because the queue was full; their callers were told
    failed: int = 0  # records whose transaction failed; their callers were told
    published: int = 0  # records that the event bus has taken

    @property
    def outcomes(self) -> int:
        """The outcomes that are stored."""
        return self.joined + self.late + self.already_rewarded


class EventStore(Protocol):
    """Keeps decisions and outcomes and joins them.

    Futures resolve once their record is committed, in the order of the calls, whatever the durability;
    they cannot be cancelled. A record that finds the queue full for `patience_seconds` raises
    OverloadedError, one that cannot be written makes its future raise StateError.
    """

    @property
    def durability(self) -> Durability:
        """Says whether to wait for the future of a decision before its response leaves."""
        ...

    def record_decision(
        self, decision: Decision, captured: RankRequest | None = None
    ) -> Future[RecordedDecision]:
        """Store a decision under its id, or yield the one that is stored under it.

        `captured` is the request that it answers, where that is to be kept beside it.
        """
        ...

    def record_outcomes(
        self, outcomes: Sequence[Outcome], received_at: float | None = None
    ) -> Future[list[OutcomeStatus]]:
        """Store and join outcomes, all or none; the statuses come in the order given.

        They were received at that time, by the epoch; None: now.
        """
        ...

    def sweep(self, until: float | None = None) -> Future[int]:
        """Give the default reward to every position whose window has passed at that time; yields how many.

        None: now.
        """
        ...

    def retire(self, learned_until: int) -> Future[int]:
        """Delete the oldest decisions and requests that are older than the settings keep them.

        Decisions stay whose rewards lie above the sequence that is learned, whose window is open, or which
        were not exported whole, and so do all that came after them. Yields how many were deleted: at most
        `sweep_limit`, and as many requests.
        """
        ...

    def find_decision(self, decision_id: str) -> Decision | None:
        """Read a committed decision."""
        ...

    def find_request(self, decision_id: str) -> RankRequest | None:
        """Read the request that a committed decision answers, where it was captured."""
        ...

    def joined_after(self, sequence: int, limit: int) -> list[JoinedReward]:
        """Read the committed rewards above a sequence, in its order: none ever appears below it later."""
        ...

    def last_sequence(self) -> int:
        """Read the highest sequence of a reward, 0 where there is none."""
        ...

    def open_decisions(self, limit: int) -> tuple[list[OpenDecision], int]:
        """Read decisions whose window is open, and how many of them each stands for.

        Where there are more than `limit`, every second, third, … is read: about as many as that, of all ages.
        """
        ...

    def reward_times(self, limit: int) -> list[tuple[float, float]]:
        """Read when decisions whose window is open were made, and when their positive rewards were received.

        Of more decisions than `limit`, about as many are looked at, of all ages.
        """
        ...

    def counts(self) -> EventCounts:
        """Read the counters, without touching the disk."""
        ...

    def check(self) -> None:
        """Raise StateError if records cannot be written at present."""
        ...

    def close(self) -> None:
        """Refuse what comes from now on, write what is queued, and let go of the files."""
        ...
