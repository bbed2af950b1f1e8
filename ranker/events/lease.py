"""Leases: one process does a work, another takes over when it dies, and a frozen one can do no harm.

A lease is a row with an end that its holder keeps moving. Its epoch counts the holders. The learner's is in
every posterior, and one of a higher epoch stands above all of lower ones, however much they have learned:
what a learner writes that was frozen past the end of its lease is never read. What a frozen consumer of the
event bus writes is known by its ids.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from ranker.errors import RankerError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ranker.events.source import EventLocation

LEASE_SECONDS = 10.0
_RENEWALS = 5  # tries within the life of a lease

_CREATE = """
CREATE TABLE IF NOT EXISTS learner_lease (
    name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT NOT NULL, expires_at REAL NOT NULL
)
"""
_TAKE = """
INSERT INTO learner_lease (name, epoch, holder, expires_at) VALUES (?, ?, ?, {now} + ?)
ON CONFLICT (name) DO UPDATE SET
    epoch = CASE
        WHEN excluded.epoch > learner_lease.epoch THEN excluded.epoch ELSE learner_lease.epoch + 1
    END,
    holder = excluded.holder,
    expires_at = excluded.expires_at
WHERE learner_lease.expires_at <= {now}
RETURNING epoch
"""
_RENEW = "UPDATE learner_lease SET expires_at = {now} + ? WHERE epoch = ? AND name = ? RETURNING epoch"
_RELEASE = "UPDATE learner_lease SET expires_at = 0 WHERE epoch = ? AND name = ? RETURNING epoch"


class LeaseRows(Protocol):
    """Runs single statements, each a transaction of its own. Threads may share it."""

    now: str  # the SQL of the seconds since the epoch, by the clock of the rows and no learner's own

    def fetch(self, query: str, parameters: tuple[object, ...] = ()) -> Sequence[Any]:
        """Give all rows of a statement, whose `?` stand for the parameters."""
        ...

    def close(self) -> None:
        """Let go of the rows."""
        ...


class SqliteLeaseRows:
    """Lease rows in a file of their own: the events' file has one writer, the server."""

    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.fetch(_CREATE)

    def fetch(self, query: str, parameters: tuple[object, ...] = ()) -> Sequence[Any]:
        """Give all rows of a statement."""
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise StateError("learner_lease", str(self._file), f"cannot be used: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def open_lease_rows(location: EventLocation) -> LeaseRows:
    """Open the rows of the lease, in a file or at a postgresql:// URL."""
    if isinstance(location, Path):
        return SqliteLeaseRows(location)
    # Not above: who keeps events in a file does not wait for SQLAlchemy.
    from ranker.events.postgres_session import PostgresSource

    return PostgresSource(location)


class Lease:
    """The right to one work, once `acquire` has got it, until it is lost or closed."""

    def __init__(self, rows: LeaseRows, name: str, seconds: float = LEASE_SECONDS) -> None:
        self.epoch = 0
        self._name = name
        self._rows = rows
        self._seconds = seconds
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._held_until = 0.0
        self._closed = threading.Event()
        self._renewer = threading.Thread(target=self._renew_until_closed, name="lease", daemon=True)

    def acquire(self, stop: threading.Event, last_epoch: Callable[[], int]) -> bool:
        """Wait until no other holds the lease, then take it; False where `stop` came first.

        Its epoch is above `last_epoch()`, the highest published, whatever rows the lease had before.
        """
        while not stop.is_set():
            asked = time.monotonic()
            taken = self._fetch(_TAKE, (self._name, last_epoch() + 1, self._holder, self._seconds))
            if taken:
                self.epoch = int(taken[0][0])
                self._held_until = asked + self._seconds
                self._renewer.start()
                return True
            stop.wait(min(1.0, self._seconds / _RENEWALS))
        return False

    def check(self) -> None:
        """Raise StateError where the lease is lost: another may have it by now."""
        if time.monotonic() >= self._held_until:
            raise StateError(f"{self._name}_lease", self.epoch, "is lost: another may have taken over")

    def _fetch(self, statement: str, parameters: tuple[object, ...]) -> Sequence[Any]:
        return self._rows.fetch(statement.format(now=self._rows.now), parameters)

    def _renew_until_closed(self) -> None:
        while not self._closed.wait(self._seconds / _RENEWALS):
            asked = time.monotonic()
            with suppress(RankerError):  # tried again, until the lease has run out
                if not self._fetch(_RENEW, (self._seconds, self.epoch, self._name)):
                    self._held_until = 0.0
                    return
                self._held_until = asked + self._seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back, so that the next one need not wait for its end."""
        self._closed.set()
        if self._renewer.is_alive():
            self._renewer.join()
        with suppress(RankerError):  # it ends by itself
            self._fetch(_RELEASE, (self.epoch, self._name))
        self._rows.close()
