"""Committed rows, from wherever they are kept."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ranker.errors import StateError
from ranker.events.schema import CAPTURES, MARKS, connect_reader, has_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The server's transactions take milliseconds.
_MARK_SECONDS = 10.0
RAISE_MARK = """
INSERT INTO marks (name, number) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET number = excluded.number WHERE excluded.number > marks.number
"""

EventLocation = Path | str  # a file of SQLite, or a postgresql:// URL


class Source(Protocol):
    """Reads what is committed. Threads may share it."""

    def fetch(self, query: str, parameters: tuple[object, ...] = ()) -> Sequence[Any]:
        """Give all rows of a query, whose `?` stand for the parameters."""
        ...

    def has_captures(self) -> bool:
        """Says whether the store can hold captured requests."""
        ...

    def raise_marks(self, marks: Mapping[str, int]) -> None:
        """Note up to where the rows have been exported, where that is further than before."""
        ...

    def close(self) -> None:
        """Let go of the database; what is read later raises StateError."""
        ...


def open_source(location: EventLocation) -> Source:
    """Open the store at the location for reading; NotFoundError or StateError where there is none."""
    if isinstance(location, Path):
        return SqliteSource(location)
    # Not above: who keeps events in a file does not wait for SQLAlchemy.
    from ranker.events.postgres_session import PostgresSource

    return PostgresSource(location)


class SqliteSource:
    """A Source on one file, while its writer goes on."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._connection = connect_reader(database)
        self._lock = threading.Lock()

    def fetch(self, query: str, parameters: tuple[object, ...] = ()) -> Sequence[Any]:
        """Give all rows of a query."""
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise StateError(
                    "events.database", str(self._database), f"cannot be read: {error}"
                ) from error

    def has_captures(self) -> bool:
        """Says whether the store can hold captured requests: those of earlier releases cannot."""
        with self._lock:
            return has_table(self._connection, CAPTURES)

    def raise_marks(self, marks: Mapping[str, int]) -> None:
        """Note up to where the rows have been exported, beside the server that writes."""
        with self._lock, closing(sqlite3.connect(self._database, timeout=_MARK_SECONDS)) as connection:
            if has_table(connection, MARKS):  # else no release that deletes has opened it yet
                try:
                    with connection:
                        connection.executemany(RAISE_MARK, marks.items())
                except sqlite3.Error as error:
                    raise StateError(
                        "events.database", str(self._database), f"cannot be marked as exported: {error}"
                    ) from error

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
