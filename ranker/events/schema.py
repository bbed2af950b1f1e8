"""The tables of the SQLite store, and the connections that may touch them.

`decisions` holds what joining needs in a few dozen bytes a row, so that it stays in memory where the
records themselves (`decision_records`) do not. Ids inside are integers in the order of commit.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from typing import TYPE_CHECKING

from ranker.errors import NotFoundError, StateError
from ranker.events.settings import Durability

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
# A record of 80 candidates takes about 3 KB: each would leave the rest of SQLite's usual 4 KiB page empty.
PAGE_BYTES = 8_192
_CHECKPOINT_BYTES = 16 * 2**20
# Servers keep each other out by the lock, so that only a person's shell can be in the way.
_BUSY_SECONDS = 1.0

_TABLES = """
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    decision_id TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    num_positions INTEGER NOT NULL,
    awaits_expiry INTEGER NOT NULL
);
CREATE INDEX decisions_awaiting_expiry ON decisions (created_at) WHERE awaits_expiry;
CREATE TABLE decision_records (
    decision INTEGER PRIMARY KEY REFERENCES decisions,
    record BLOB NOT NULL
);
CREATE TABLE outcomes (
    id INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    decision INTEGER NOT NULL REFERENCES decisions,
    position INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    reward REAL NOT NULL,
    occurred_at REAL NOT NULL,
    received_at REAL NOT NULL,
    status TEXT NOT NULL
);
CREATE TABLE joined_rewards (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    decision INTEGER NOT NULL REFERENCES decisions,
    position INTEGER NOT NULL,
    reward REAL NOT NULL,
    expired INTEGER NOT NULL,
    UNIQUE (decision, position)
);
CREATE TABLE tallies (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID;
"""

# Came after layout 1 without changing what was there: a store without them has captured and deleted nothing.
CAPTURES = "captured_requests"
MARKS = "marks"
_ADDED = (
    f"""
    CREATE TABLE IF NOT EXISTS {CAPTURES} (
        decision INTEGER PRIMARY KEY REFERENCES decisions,
        record BLOB NOT NULL
    )
    """,
    f"CREATE TABLE IF NOT EXISTS {MARKS} (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS outcomes_by_decision ON outcomes (decision)",
)


def lock(database: Path) -> int:
    """Take the right to write, until the descriptor that is returned is closed or the process dies."""
    descriptor = os.open(database.with_name(database.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StateError("events.database", str(database), "another server writes to it") from error
    return descriptor


def connect_writer(database: Path, durability: Durability) -> sqlite3.Connection:
    """Open the one connection that writes, and create the tables where there are none."""
    connection = sqlite3.connect(
        database, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, durability)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StateError("events.database", str(database), f"cannot be opened: {error}") from error
    _check_version(connection, database)
    return connection


def _prepare(connection: sqlite3.Connection, durability: Durability) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL leaves flushing to the system, which a killed process does not take along; FULL does not.
    connection.execute(f"PRAGMA synchronous = {'FULL' if durability is Durability.SYNCED else 'NORMAL'}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_BYTES // PAGE_BYTES}")
    connection.execute(f"PRAGMA cache_size = -{64 * 1024}")
    if _version(connection) == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    if _version(connection) == VERSION:
        for statement in _ADDED:
            connection.execute(statement)


def connect_reader(database: Path) -> sqlite3.Connection:
    """Open a connection that cannot write, from any process, while the writer goes on."""
    if not database.exists():
        raise NotFoundError("events.database", str(database), "does not exist: start the server first")
    connection = sqlite3.connect(
        f"{database.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        _check_version(connection, database)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StateError("events.database", str(database), f"cannot be read: {error}") from error
    return connection


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Says whether the store has a table: those of earlier releases lack some."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (name,)).fetchone() is not None


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check_version(connection: sqlite3.Connection, database: Path) -> None:
    version = _version(connection)
    if version != VERSION:
        connection.close()
        raise StateError("events.database", str(database), f"has layout {version}, this release {VERSION}")
