"""The embedded event store: SQLite in WAL mode, written by one thread, read by any process."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ranker.events.jobs import JobQueue
from ranker.events.queued_store import QueuedEventStore
from ranker.events.reader import EventReader
from ranker.events.schema import connect_writer, lock
from ranker.events.session import SqliteSession
from ranker.events.settings import EventSettings
from ranker.events.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class SqliteEventStore(QueuedEventStore):
    """An EventStore in one file. A second one on the same file raises StateError while the first is open."""

    def __init__(
        self,
        database: Path,
        settings: EventSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        settings = settings or EventSettings()
        database.parent.mkdir(parents=True, exist_ok=True)
        queue = JobQueue(settings.queue_capacity, settings.patience_seconds, clock)
        with ExitStack() as files:
            files.callback(os.close, lock(database))
            session = SqliteSession(connect_writer(database, settings.durability))
            files.callback(session.close)
            reader = EventReader(database)
            writer = Writer(session, queue, settings, release=files.pop_all().close)
        super().__init__(settings, queue, writer, reader)
