"""Reading the SQLite store, from the server or from any other process, while it is written."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

from ranker.errors import StateError
from ranker.events.codec import decode
from ranker.events.records import JoinedReward
from ranker.events.request_codec import decode_request
from ranker.events.schema import FIND_CAPTURES, connect_reader
from ranker.events.store import EventCounts

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from ranker.slate import Decision, RankRequest

_FIND_RECORD = """
SELECT record FROM decision_records WHERE decision = (SELECT id FROM decisions WHERE decision_id = ?)
"""
_JOINED_AFTER = """
SELECT sequence, decision, position, reward, expired FROM joined_rewards
WHERE sequence > ? ORDER BY sequence LIMIT ?
"""
_FIND_CAPTURE = """
SELECT record FROM captured_requests
WHERE decision = (SELECT id FROM decisions WHERE decision_id = ?)
"""
_RECORD = "SELECT record FROM decision_records WHERE decision = ?"
TALLIES = "SELECT name, number FROM tallies"


class EventReader:
    """Sees what is committed, and can change nothing. Threads may share it."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._connection = connect_reader(database)
        self._lock = threading.Lock()

    def find_decision(self, decision_id: str) -> Decision | None:
        """Read a committed decision."""
        rows = self._read(_FIND_RECORD, (decision_id,))
        return decode(rows[0][0]) if rows else None

    def find_request(self, decision_id: str) -> RankRequest | None:
        """Read the request that a decision answers, where it was captured."""
        rows = self._read(_FIND_CAPTURE, (decision_id,)) if self._read(*FIND_CAPTURES) else []
        return decode_request(rows[0][0]) if rows else None

    def joined_after(self, sequence: int, limit: int) -> list[JoinedReward]:
        """Read the committed rewards above a sequence, in its order: none ever appears below it later."""
        rows = self._read(_JOINED_AFTER, (sequence, limit))
        # Each record once: a decision has as many rewards as positions.
        decisions = {key: decode(self._read(_RECORD, (key,))[0][0]) for key in {row[1] for row in rows}}
        return [
            JoinedReward(number, decisions[decision], position, reward, bool(expired))
            for number, decision, position, reward, expired in rows
        ]

    def counts(self) -> EventCounts:
        """Read the counters that outlive the server's process."""
        return EventCounts(**dict(self._read(TALLIES)))

    def _read(self, query: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise StateError(
                    "events.database", str(self._database), f"cannot be read: {error}"
                ) from error

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
