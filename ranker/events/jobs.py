"""The bounded queue between the threads that record and the one that writes."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ranker.errors import InvalidInputError, OverloadedError, RankerError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.events.transaction import Transaction

T = TypeVar("T")


class Job(Generic[T]):
    """One unit of work for the writer: all of it is committed, or nothing."""

    def __init__(self, work: Callable[[Transaction, float], T], size: int, received_at: float) -> None:
        self.size = size  # records
        self.received_at = received_at  # seconds since the epoch
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()  # what is queued will be written: no one may cancel it
        self._work = work
        self._result: T | RankerError

    def run(self, transaction: Transaction) -> None:
        """Do the work; what it gives is kept until the commit."""
        try:
            self._result = self._work(transaction, self.received_at)
        except RankerError as error:  # of this job alone, before it wrote anything
            self._result = error

    def resolve(self) -> None:
        """Tell the caller, after the commit."""
        if isinstance(self._result, RankerError):
            self.future.set_exception(self._result)
        else:
            self.future.set_result(self._result)

    def fail(self, error: RankerError) -> None:
        """Tell the caller that nothing was written."""
        self.future.set_exception(error)


class JobQueue:
    """First in, first out; full queues make callers wait a bounded time, then refuse."""

    def __init__(self, capacity: int, patience_seconds: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._freed = threading.Condition(self._lock)
        self._jobs: deque[Job[Any]] = deque()
        self._closed = False
        self.size = 0
        self.dropped = 0

    def put(self, work: Callable[[Transaction, float], T], size: int) -> Future[T]:
        """Queue work, stamped with the time at which it takes its place: stamps are in the queue's order."""
        if size > self._capacity:
            raise InvalidInputError("outcomes", size, f"a report takes at most {self._capacity}")
        with self._lock:
            has_room = self._freed.wait_for(
                lambda: self._closed or self.size + size <= self._capacity, self._patience_seconds
            )
            if self._closed:
                raise StateError("events", "closed", "the event store takes no more records")
            if not has_room:
                self.dropped += size
                raise OverloadedError("events.queue", self.size, "the queue is full: retry later")
            job = Job(work, size, self._clock())
            self._jobs.append(job)
            self.size += size
            self._filled.notify()
        return job.future

    def take(self, limit: int, timeout_seconds: float) -> tuple[list[Job[Any]], float]:
        """Take up to `limit` records as (jobs, time up to which everything received has now been taken).

        Waits for the first; none come after the timeout, or once the queue is closed and empty.
        """
        with self._lock:
            self._filled.wait_for(lambda: self._jobs or self._closed, timeout_seconds)
            batch: list[Job[Any]] = []
            room = limit
            while self._jobs and (not batch or self._jobs[0].size <= room):
                batch.append(self._jobs.popleft())
                room -= batch[-1].size
            self.size -= sum(job.size for job in batch)
            self._freed.notify_all()
            return batch, self._jobs[0].received_at if self._jobs else self._clock()

    def close(self) -> None:
        """Refuse new work; what is queued can still be taken."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._freed.notify_all()

    @property
    def is_drained(self) -> bool:
        """Whether nothing is queued and nothing can come."""
        with self._lock:
            return self._closed and not self._jobs
