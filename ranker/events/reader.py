"""Reading a store, from the server or from any other process, while it is written."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from ranker.events.codec import decode
from ranker.events.records import JoinedReward, OpenDecision
from ranker.events.request_codec import decode_request
from ranker.events.source import open_source
from ranker.events.store import EventCounts

if TYPE_CHECKING:
    from types import TracebackType

    from ranker.events.source import EventLocation
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
# Each record once: a decision has as many rewards as positions.
_RECORDS_OF = """
SELECT decision, record FROM decision_records
WHERE decision IN (SELECT decision FROM joined_rewards WHERE sequence BETWEEN ? AND ?)
"""
_COUNT_OPEN = "SELECT count(*) FROM decisions WHERE awaits_expiry"
# In one statement: between two a decision might close. `%` is a sign of the driver's.
_OPEN = """
SELECT id, record, joined_rewards.position FROM decisions
JOIN decision_records ON decision_records.decision = id
LEFT JOIN joined_rewards ON joined_rewards.decision = id
WHERE awaits_expiry AND (id / ?) * ? = id ORDER BY id
"""
# Chosen by the decision, never by when the outcome came: else slow ones would be missing or too many.
_DELAYS = """
SELECT created_at, received_at FROM decisions JOIN outcomes ON outcomes.decision = decisions.id
WHERE awaits_expiry AND (decisions.id / ?) * ? = decisions.id
    AND status = 'joined' AND reward > 0.0 ORDER BY outcomes.id
"""
TALLIES = "SELECT name, number FROM tallies"


class EventReader:
    """Sees what is committed, and can change nothing. Threads may share it."""

    def __init__(self, location: EventLocation) -> None:
        self._source = open_source(location)

    def find_decision(self, decision_id: str) -> Decision | None:
        """Read a committed decision."""
        rows = self._source.fetch(_FIND_RECORD, (decision_id,))
        return decode(rows[0][0]) if rows else None

    def find_request(self, decision_id: str) -> RankRequest | None:
        """Read the request that a decision answers, where it was captured."""
        rows = self._source.fetch(_FIND_CAPTURE, (decision_id,)) if self._source.has_captures() else []
        return decode_request(rows[0][0]) if rows else None

    def joined_after(self, sequence: int, limit: int) -> list[JoinedReward]:
        """Read the committed rewards above a sequence, in its order: none ever appears below it later."""
        rows = self._source.fetch(_JOINED_AFTER, (sequence, limit))
        if not rows:
            return []
        records = self._source.fetch(_RECORDS_OF, (rows[0][0], rows[-1][0]))
        decisions = {decision: decode(record) for decision, record in records}
        return [
            JoinedReward(number, decisions[decision], position, reward, bool(expired))
            for number, decision, position, reward, expired in rows
            if decision in decisions  # else deleted just now, for its age
        ]

    def last_sequence(self) -> int:
        """Read the highest sequence of a reward, 0 where there is none."""
        ((highest,),) = self._source.fetch("SELECT max(sequence) FROM joined_rewards")
        return highest or 0

    def open_decisions(self, limit: int) -> tuple[list[OpenDecision], int]:
        """Read decisions whose window is open, and how many of them each stands for.

        Where there are more than `limit`, every second, third, … is read: about as many as that, of all ages.
        """
        stride = self._stride(limit)
        rewarded: dict[int, tuple[bytes, set[int]]] = {}
        for number, record, position in self._source.fetch(_OPEN, (stride, stride)):
            rewarded.setdefault(number, (record, set()))[1].add(position)
        decisions = [(decode(record), closed) for record, closed in rewarded.values()]
        found = [
            OpenDecision(decision, tuple(j for j in range(len(decision.shown)) if j not in closed))
            for decision, closed in decisions
        ]
        return found, stride

    def reward_times(self, limit: int) -> list[tuple[float, float]]:
        """Read when decisions whose window is open were made, and when their positive rewards were received.

        Of more decisions than `limit`, about as many are looked at, of all ages.
        """
        stride = self._stride(limit)
        rows = self._source.fetch(_DELAYS, (stride, stride))
        return [(float(created_at), float(received_at)) for created_at, received_at in rows]

    def _stride(self, limit: int) -> int:
        ((count,),) = self._source.fetch(_COUNT_OPEN)
        return max(1, ceil(int(count) / limit))

    def counts(self) -> EventCounts:
        """Read the counters over the life of the rows, of all servers together."""
        return EventCounts(**dict(self._source.fetch(TALLIES)))

    def close(self) -> None:
        """Let go of the database."""
        self._source.close()

    def __enter__(self) -> EventReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
