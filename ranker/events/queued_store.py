"""What every store does that one thread writes, whichever database keeps the rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from ranker.errors import InvalidInputError
from ranker.events.codec import encode
from ranker.events.request_codec import encode_request
from ranker.events.retention import retire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from ranker.events.jobs import JobQueue
    from ranker.events.reader import EventReader
    from ranker.events.records import JoinedReward, OpenDecision, Outcome
    from ranker.events.settings import Durability, EventSettings
    from ranker.events.store import EventCounts, OutcomeStatus, RecordedDecision
    from ranker.events.writer import Writer
    from ranker.slate import Decision, RankRequest


class QueuedEventStore:
    """An EventStore of a queue, the writer that empties it, and a reader. Subclasses open them."""

    def __init__(self, settings: EventSettings, queue: JobQueue, writer: Writer, reader: EventReader) -> None:
        self._settings = settings
        self._queue = queue
        self._writer = writer
        self._reader = reader

    @property
    def durability(self) -> Durability:
        """Says whether to wait for the future of a decision before its response leaves."""
        return self._settings.durability

    def record_decision(
        self, decision: Decision, captured: RankRequest | None = None
    ) -> Future[RecordedDecision]:
        """Store a decision under its id, or yield the one that is stored under it."""
        if not math.isfinite(decision.created_at):
            raise InvalidInputError("decision.created_at", decision.created_at, "must be finite")
        record = encode(decision)
        request = None if captured is None else encode_request(captured)
        return self._queue.put(
            lambda transaction, _: transaction.insert_decision(decision, record, request), size=1
        )

    def record_outcomes(
        self, outcomes: Sequence[Outcome], received_at: float | None = None
    ) -> Future[list[OutcomeStatus]]:
        """Store and join outcomes, all or none; the statuses come in the order given."""
        batch = tuple(outcomes)
        return self._queue.put(
            lambda transaction, now: transaction.insert_outcomes(
                batch, now if received_at is None else received_at
            ),
            size=len(batch),
        )

    def sweep(self, until: float | None = None) -> Future[int]:
        """Give the default reward to every position whose window has passed at that time; yields how many."""
        limit = self._settings.sweep_limit
        return self._queue.put(
            lambda transaction, now: transaction.expire_all(now if until is None else until, limit), size=0
        )

    def retire(self, learned_until: int) -> Future[int]:
        """Delete the oldest decisions and requests that are older than the settings keep them."""
        settings = self._settings
        return self._queue.put(
            lambda transaction, now: retire(transaction, settings, now, learned_until), size=0
        )

    def find_decision(self, decision_id: str) -> Decision | None:
        """Read a committed decision."""
        return self._reader.find_decision(decision_id)

    def find_request(self, decision_id: str) -> RankRequest | None:
        """Read the request that a committed decision answers, where it was captured."""
        return self._reader.find_request(decision_id)

    def joined_after(self, sequence: int, limit: int) -> list[JoinedReward]:
        """Read the committed rewards above a sequence, in its order: none ever appears below it later."""
        return self._reader.joined_after(sequence, limit)

    def last_sequence(self) -> int:
        """Read the highest sequence of a reward, 0 where there is none."""
        return self._reader.last_sequence()

    def open_decisions(self, limit: int) -> tuple[list[OpenDecision], int]:
        """Read decisions whose window is open, and how many of them each stands for."""
        return self._reader.open_decisions(limit)

    def reward_times(self, limit: int) -> list[tuple[float, float]]:
        """Read when open decisions were made, and when their positive rewards were received."""
        return self._reader.reward_times(limit)

    def counts(self) -> EventCounts:
        """Read the counters, without touching the disk."""
        return replace(self._writer.counts, queued=self._queue.size, dropped=self._queue.dropped)

    def check(self) -> None:
        """Raise StateError if records cannot be written at present."""
        self._writer.check()

    def close(self) -> None:
        """Refuse what comes from now on, write what is queued, and let go of the files."""
        self._queue.close()
        self._reader.close()  # before the writer, whose connection empties the log where it is the last
        self._writer.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
