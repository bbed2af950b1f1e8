"""What the writer needs of a database, whichever it is."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it wrote."""
        ...

    def fetchone(self) -> Any:
        """Give the next row, or None."""
        ...

    def fetchall(self) -> Sequence[Any]:
        """Give the rows that are left."""
        ...


class Session(Protocol):
    """One connection that writes, one transaction at a time."""

    @property
    def errors(self) -> type[Exception]:
        """What its methods raise where the database fails."""
        ...

    def begin(self) -> None:
        """Start a transaction that excludes every other writer until its end."""
        ...

    def execute(self, statement: str, parameters: tuple[object, ...] = ()) -> Rows:
        """Run one statement, whose `?` stand for the parameters."""
        ...

    def commit(self) -> None:
        """Make the transaction last."""
        ...

    def undo(self, error: Exception) -> bool:
        """Roll back after the error; says whether another transaction may be tried."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


# After these nothing is known of what the disk holds: a failed flush may have dropped pages that a second
# one would report as written. Only opening the file anew, with its recovery, tells.
_UNSAFE = frozenset(
    {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}
)


class SqliteSession:
    """A Session on one file."""

    errors: type[Exception] = sqlite3.Error

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.execute = connection.execute
        self.close = connection.close

    def begin(self) -> None:
        """Start a transaction that excludes every other writer until its end."""
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction last."""
        self._connection.execute("COMMIT")

    def undo(self, error: Exception) -> bool:
        """Roll back after the error; says whether another transaction may be tried."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
        if code not in _UNSAFE and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")  # raises where it fails, which ends the thread
        return code not in _UNSAFE
