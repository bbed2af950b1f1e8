"""The one thread that writes: it takes all that is queued, commits it at once, then tells the callers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ranker.errors import StateError
from ranker.events.store import EventCounts
from ranker.events.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.events.jobs import Job, JobQueue
    from ranker.events.session import Session
    from ranker.events.settings import EventSettings


class Writer:
    """Owns the session that writes, from the first transaction to the last."""

    def __init__(
        self,
        session: Session,
        queue: JobQueue,
        settings: EventSettings,
        release: Callable[[], None],
    ) -> None:
        self._session = session
        self._queue = queue
        self._settings = settings
        self._release = release  # called once nothing will be written any more
        self._in_flight: list[Job[Any]] = []
        self._failure: str | None = None
        self._next_sweep = time.monotonic() + settings.sweep_seconds
        self.counts = EventCounts()  # replaced as a whole after each commit
        self._thread = threading.Thread(target=self._run, name="event-writer", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise StateError if the last transaction failed or there will be no other."""
        if self._failure is not None:
            raise StateError("events.writer", self._failure, "records are not being stored")
        if not self._thread.is_alive():
            raise StateError("events.writer", "stopped", "records are not being stored")

    def join(self) -> None:
        """Wait until the queue, which must be closed, is written."""
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._queue.is_drained:
                wait_seconds = max(0.0, self._next_sweep - time.monotonic())
                self._in_flight, now = self._queue.take(self._settings.batch_limit, wait_seconds)
                if not self._write(now):
                    break
        finally:  # closed, unsafe to go on, or a mistake of ours: no caller may wait for ever
            self._stop()

    def _write(self, now: float) -> bool:
        """Commit the jobs in flight and a part of the sweep that is due; False if no other may follow."""
        sweeps = time.monotonic() >= self._next_sweep
        if not (self._in_flight or sweeps):
            return True
        transaction = Transaction(self._session, self._settings.window_seconds)
        try:
            num_closed = self._commit(transaction, now if sweeps else None)
        except self._session.errors as error:
            return self._give_up(error)
        if sweeps and num_closed < self._settings.sweep_limit:
            self._next_sweep = time.monotonic() + self._settings.sweep_seconds
        self._failure = None
        self._add(transaction.tallies)
        for job in self._in_flight:
            job.resolve()
        self._in_flight = []
        return True

    def _commit(self, transaction: Transaction, swept_until: float | None) -> int:
        self._session.begin()
        for job in self._in_flight:
            job.run(transaction)
        num_closed = 0 if swept_until is None else transaction.expire(swept_until, self._settings.sweep_limit)
        if self._failure is not None:
            transaction.tallies["decisions"] += 0  # a write: an idle store learns by it that it can again
        transaction.write_tallies()
        self._session.commit()
        return num_closed

    def _give_up(self, error: Exception) -> bool:
        """Undo the transaction and tell its callers; says whether another may be tried."""
        self._failure = f"{type(error).__name__}: {error}"
        goes_on = self._session.undo(error)
        self._fail(self._in_flight, error)
        self._in_flight = []
        self._next_sweep = time.monotonic() + self._settings.sweep_seconds
        return goes_on

    def _add(self, tallies: Counter[str]) -> None:
        counts = self.counts
        self.counts = replace(counts, **{name: getattr(counts, name) + tallies[name] for name in tallies})

    def _fail(self, jobs: list[Job[Any]], cause: Exception | None) -> None:
        self._add(Counter(failed=sum(job.size for job in jobs)))
        for job in jobs:
            error = StateError("events.writer", self._failure or "stopped", "the record was not stored")
            error.__cause__ = cause
            job.fail(error)

    def _stop(self) -> None:
        self._queue.close()
        left, _ = self._queue.take(self._settings.queue_capacity, 0.0)
        self._fail(self._in_flight + left, None)
        self._release()
