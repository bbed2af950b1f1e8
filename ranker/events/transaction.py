"""The writes of one transaction, and the rules by which outcomes join decisions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ranker.events.codec import decode
from ranker.events.store import OutcomeStatus, RecordedDecision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.events.records import Outcome
    from ranker.events.session import Session
    from ranker.slate import Decision

# Both SQLite and PostgreSQL read these: TRUE and FALSE, `?` in the order of the parameters.
_INSERT_DECISION = """
INSERT INTO decisions (decision_id, created_at, num_positions, awaits_expiry) VALUES (?, ?, ?, ?)
ON CONFLICT (decision_id) DO NOTHING RETURNING id
"""
_INSERT_RECORD = "INSERT INTO decision_records (decision, record) VALUES (?, ?)"
_INSERT_CAPTURE = "INSERT INTO captured_requests (decision, record) VALUES (?, ?)"
_FIND_RECORD = """
SELECT record FROM decision_records WHERE decision = (SELECT id FROM decisions WHERE decision_id = ?)
"""
_FIND_EVENT = "SELECT 1 FROM outcomes WHERE event_id = ?"
_FIND_DECISION = "SELECT id, created_at, num_positions FROM decisions WHERE decision_id = ?"
_FIND_REWARD = "SELECT expired FROM joined_rewards WHERE decision = ? AND position = ?"
_INSERT_REWARD = "INSERT INTO joined_rewards (decision, position, reward, expired) VALUES (?, ?, ?, FALSE)"
_INSERT_OUTCOME = """
INSERT INTO outcomes (event_id, decision, position, event_type, reward, occurred_at, received_at, status)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_EXPIRE = """
INSERT INTO joined_rewards (decision, position, reward, expired)
WITH RECURSIVE
due AS MATERIALIZED (
    SELECT id, created_at, num_positions FROM decisions
    WHERE awaits_expiry AND created_at < ? ORDER BY created_at, id LIMIT ?
),
positions (position) AS (
    SELECT 0 UNION ALL
    SELECT position + 1 FROM positions WHERE position + 1 < (SELECT max(num_positions) FROM due)
)
SELECT id, position, 0.0, TRUE FROM due JOIN positions ON position < num_positions
WHERE TRUE ORDER BY created_at, id, position
ON CONFLICT (decision, position) DO NOTHING
"""
_CLOSE_EXPIRED = """
UPDATE decisions SET awaits_expiry = FALSE WHERE id IN (
    SELECT id FROM decisions WHERE awaits_expiry AND created_at < ? ORDER BY created_at, id LIMIT ?
)
"""
_TALLY = """
INSERT INTO tallies (name, number) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET number = tallies.number + excluded.number
"""


class Transaction:
    """What is written between one BEGIN and its COMMIT, and how much of each kind that was."""

    def __init__(self, session: Session, window_seconds: float) -> None:
        self.execute = session.execute
        self._window_seconds = window_seconds
        self.tallies: Counter[str] = Counter()

    def insert_decision(
        self, decision: Decision, record: bytes, captured: bytes | None = None
    ) -> RecordedDecision:
        """Store a decision, its record and its captured request, or find the decision that has its id."""
        num_positions = len(decision.shown)
        awaits_expiry = decision.default_reward and num_positions > 0
        # All of it is fetched: SQLite commits no transaction with a statement under way.
        inserted = self.execute(
            _INSERT_DECISION, (decision.decision_id, float(decision.created_at), num_positions, awaits_expiry)
        ).fetchall()
        if not inserted:
            (stored,) = self.execute(_FIND_RECORD, (decision.decision_id,)).fetchone()
            first = decode(stored)
            self.tallies["repeated"] += 1
            return RecordedDecision(first, is_new=False)
        ((number,),) = inserted
        self.execute(_INSERT_RECORD, (number, record))
        if captured is not None:
            self.execute(_INSERT_CAPTURE, (number, captured))
        self.tallies["decisions"] += 1
        return RecordedDecision(decision, is_new=True)

    def insert_outcomes(self, outcomes: Sequence[Outcome], received_at: float) -> list[OutcomeStatus]:
        """Store outcomes one after another, so that each sees those before it."""
        statuses = [self._insert_outcome(outcome, received_at) for outcome in outcomes]
        self.tallies.update(status.value for status in statuses)
        return statuses

    def _insert_outcome(self, outcome: Outcome, received_at: float) -> OutcomeStatus:
        execute = self.execute
        if execute(_FIND_EVENT, (outcome.event_id,)).fetchone():
            return OutcomeStatus.DUPLICATE
        row = execute(_FIND_DECISION, (outcome.decision_id,)).fetchone()
        if row is None:
            return OutcomeStatus.UNKNOWN_DECISION
        decision, created_at, num_positions = row
        position, reward = int(outcome.position), float(outcome.reward)
        if position >= num_positions:
            return OutcomeStatus.UNKNOWN_POSITION
        status = self._judge(decision, position, created_at, received_at)
        if status is OutcomeStatus.JOINED:
            execute(_INSERT_REWARD, (decision, position, reward))
        kind, occurred_at = outcome.event_type, float(outcome.occurred_at)
        execute(
            _INSERT_OUTCOME,
            (outcome.event_id, decision, position, kind, reward, occurred_at, received_at, status.value),
        )
        return status

    def _judge(self, decision: int, position: int, created_at: float, received_at: float) -> OutcomeStatus:
        if created_at < received_at - self._window_seconds:
            return OutcomeStatus.LATE
        reward = self.execute(_FIND_REWARD, (decision, position)).fetchone()
        if reward is None:
            return OutcomeStatus.JOINED
        # Expired within the window: the clock was set back, or the window made longer.
        return OutcomeStatus.LATE if reward[0] else OutcomeStatus.ALREADY_REWARDED

    def expire(self, now: float, limit: int) -> int:
        """Give reward 0 to what is open of the oldest decisions past their window; yields their number."""
        due = (now - self._window_seconds, limit)
        num_expired = self.execute(_EXPIRE, due).rowcount
        if num_expired:  # an idle store writes nothing
            self.tallies["expired"] += num_expired
        return self.execute(_CLOSE_EXPIRED, due).rowcount

    def expire_all(self, now: float, limit: int) -> int:
        """Do so until none is due, and give the number of rewards."""
        before = self.tallies["expired"]
        while self.expire(now, limit) == limit:
            pass
        return self.tallies["expired"] - before

    def write_tallies(self) -> None:
        """Add the tallies to those of the store."""
        for tally in sorted(self.tallies.items()):
            self.execute(_TALLY, tally)
