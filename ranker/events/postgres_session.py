"""The connections of the PostgreSQL store: one that writes, and those that read."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

from ranker.errors import StateError
from ranker.events.postgres import WRITE_LOCK, check_layout, make_engine, shown, unusable
from ranker.events.settings import Durability
from ranker.events.source import RAISE_MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from ranker.events.session import Rows

T = TypeVar("T")

# A server that is frozen within a transaction holds the lock of all writers: the database ends its session
# before the others lose their patience.
_FROZEN_SECONDS = 5
_LOCK_SECONDS = 10
_STATEMENT_SECONDS = 15
_READ_SECONDS = 60
# `local` is on this server's disk. `on` waits for a synchronous standby too, where the database names one.
_SYNCHRONOUS_COMMIT = {
    Durability.COMMITTED: "local",
    Durability.QUEUED: "local",
    Durability.SYNCED: "on",
}


@lru_cache(maxsize=64)
def _for_driver(statement: str) -> str:
    return statement.replace("?", "%s")


class _Link:
    """One connection, opened at its first use, and anew where the database ended it between two uses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def use(self, work: Callable[[Connection], T]) -> T:
        """Do work; once more where it finds a connection lost that was good before."""
        was_open = self._connection is not None
        try:
            return work(self.opened())
        except DBAPIError as error:
            self.drop()
            if was_open and error.connection_invalidated:
                return self.use(work)
            raise

    def opened(self) -> Connection:
        """Give the connection."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def drop(self) -> None:
        """Let go of the connection, which rolls back what is not committed."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
        self._connection = None


class PostgresSession:
    """A Session on a database that many servers may write to."""

    errors: type[Exception] = psycopg.Error

    def __init__(self, url: str, durability: Durability) -> None:
        self._link = _Link(
            make_engine(
                url,
                "READ COMMITTED",
                synchronous_commit=_SYNCHRONOUS_COMMIT[durability],
                lock_timeout=f"{_LOCK_SECONDS}s",
                statement_timeout=f"{_STATEMENT_SECONDS}s",
                idle_in_transaction_session_timeout=f"{_FROZEN_SECONDS}s",
            )
        )

    def begin(self) -> None:
        """Start a transaction that excludes every other writer until its end."""
        try:
            self._link.use(_begin)
        except DBAPIError as error:
            raise _driver_error(error) from error

    def execute(self, statement: str, parameters: tuple[object, ...] = ()) -> Rows:
        """Run one statement."""
        try:
            return self._link.opened().exec_driver_sql(_for_driver(statement), parameters)
        except DBAPIError as error:
            raise _driver_error(error) from error

    def commit(self) -> None:
        """Make the transaction last."""
        try:
            self._link.opened().commit()
        except DBAPIError as error:
            raise _driver_error(error) from error

    def undo(self, error: Exception) -> bool:  # noqa: ARG002 (whatever it is, a new connection is safe)
        """Drop the connection, which rolls back: the next transaction has a new one."""
        self._link.drop()
        return True

    def close(self) -> None:
        """Let go of the connection."""
        self._link.drop()


def _begin(connection: Connection) -> None:
    connection.begin()
    connection.execute(WRITE_LOCK)


def _driver_error(error: DBAPIError) -> BaseException:
    return error.orig or error  # the driver's own words: SQLAlchemy's hold the statement


class PostgresSource:
    """A Source on a database, over one connection that threads take in turn. Statements may write, too."""

    now = "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url, "AUTOCOMMIT", statement_timeout=f"{_READ_SECONDS}s")
        check_layout(self._engine)
        self._link = _Link(self._engine)
        self._lock = threading.Lock()
        self._closed = False

    def fetch(self, query: str, parameters: tuple[object, ...] = ()) -> Sequence[Any]:
        """Give all rows of a query."""
        with self._lock:
            if self._closed:
                raise StateError("events_url", shown(self._engine.url), "is closed")
            try:
                return self._link.use(
                    lambda connection: connection.exec_driver_sql(_for_driver(query), parameters).fetchall()
                )
            except DBAPIError as error:
                raise unusable(self._engine, error) from error

    def has_captures(self) -> bool:
        """Says whether the store can hold captured requests: every layout can."""
        return True

    def raise_marks(self, marks: Mapping[str, int]) -> None:
        """Note up to where the rows have been exported."""
        for mark in marks.items():
            self.fetch(f"{RAISE_MARK} RETURNING number", mark)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._link.drop()
            self._closed = True
