"""The event store of production: PostgreSQL, written by one thread of each server."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ranker.errors import InvalidInputError
from ranker.events.jobs import JobQueue
from ranker.events.postgres_session import PostgresSession
from ranker.events.queued_store import QueuedEventStore
from ranker.events.reader import EventReader
from ranker.events.settings import EventSettings
from ranker.events.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from ranker.events.records import Outcome
    from ranker.events.store import OutcomeStatus, RecordedDecision
    from ranker.slate import Decision, RankRequest


class PostgresEventStore(QueuedEventStore):
    """An EventStore in a PostgreSQL database that `migrate` has prepared. Many servers may share it."""

    def __init__(
        self,
        url: str,
        settings: EventSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        settings = settings or EventSettings()
        queue = JobQueue(settings.queue_capacity, settings.patience_seconds, clock)
        with ExitStack() as opened:
            reader = EventReader(url)
            opened.callback(reader.close)
            session = PostgresSession(url, settings.durability)
            opened.callback(session.close)
            writer = Writer(session, queue, settings, release=opened.pop_all().close)
        super().__init__(settings, queue, writer, reader)

    def record_decision(
        self, decision: Decision, captured: RankRequest | None = None
    ) -> Future[RecordedDecision]:
        """Store a decision under its id, or yield the one that is stored under it."""
        _check_text("decision.decision_id", decision.decision_id)
        return super().record_decision(decision, captured)

    def record_outcomes(
        self, outcomes: Sequence[Outcome], received_at: float | None = None
    ) -> Future[list[OutcomeStatus]]:
        """Store and join outcomes, all or none; the statuses come in the order given."""
        for outcome in outcomes:
            for name in ("event_id", "decision_id", "event_type"):
                _check_text(f"outcome.{name}", getattr(outcome, name))
        return super().record_outcomes(outcomes, received_at)


def _check_text(name: str, value: str) -> None:
    # Here, not in the transaction: there it would take the records of other callers along.
    if "\0" in value:
        raise InvalidInputError(name, value, "must not hold the character NUL: PostgreSQL cannot keep it")
