"""Reading the SQLite store, from the server or from any other process, while it is written."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ranker.events.codec import decode
from ranker.events.records import JoinedReward
from ranker.events.schema import connect_reader
from ranker.events.store import EventCounts

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path
    from types import TracebackType

    from ranker.slate import Decision

_FIND_RECORD = """
SELECT record FROM decision_records WHERE decision = (SELECT id FROM decisions WHERE decision_id = ?)
"""
_JOINED_AFTER = """
SELECT sequence, joined_rewards.decision, position, reward, expired, record
FROM joined_rewards JOIN decision_records USING (decision)
WHERE sequence > ? ORDER BY sequence LIMIT ?
"""


class EventReader:
    """Sees what is committed, and can change nothing. Threads may share it."""

    def __init__(self, database: Path) -> None:
        self._connection = connect_reader(database)
        self._lock = threading.Lock()

    def find_decision(self, decision_id: str) -> Decision | None:
        """Read a committed decision."""
        with self._lock:
            row = self._connection.execute(_FIND_RECORD, (decision_id,)).fetchone()
        return decode(row[0]) if row else None

    def joined_after(self, sequence: int, limit: int) -> list[JoinedReward]:
        """Read the committed rewards above a sequence, in its order: none ever appears below it later."""
        with self._lock:
            rows = self._connection.execute(_JOINED_AFTER, (sequence, limit)).fetchall()
        decisions: dict[int, Decision] = {}
        for _, decision, _, _, _, record in rows:
            if decision not in decisions:
                decisions[decision] = decode(record)
        return [
            JoinedReward(number, decisions[decision], position, reward, bool(expired))
            for number, decision, position, reward, expired, _ in rows
        ]

    def counts(self) -> EventCounts:
        """Read the counters that outlive the server's process."""
        with self._lock:
            return read_counts(self._connection)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> EventReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_counts(connection: sqlite3.Connection) -> EventCounts:
    """Give the tallies as counts."""
    return EventCounts(**dict(connection.execute("SELECT name, number FROM tallies")))
