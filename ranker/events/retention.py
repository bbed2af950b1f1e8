"""Deletes what is old, in the order in which it came, and only what is learned and exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ranker.events.settings import EventSettings
    from ranker.events.transaction import Transaction

# What has left the store: all decisions and outcomes up to these ids, all rewards up to this sequence.
EXPORTED_DECISION, EXPORTED_OUTCOME, EXPORTED_REWARD = (
    "exported_decision",
    "exported_outcome",
    "exported_reward",
)
_EVERYTHING = 2**62  # above all ids
_MARKS = "SELECT name, number FROM marks"
# Of the oldest rows: the id before the first that has to stay, or the last id where none has to.
_DECISION_BOUND = """
SELECT coalesce(min(CASE WHEN stays THEN id END) - 1, max(id)) FROM (
    SELECT id, created_at >= ? OR id > ? OR awaits_expiry
        OR EXISTS (SELECT 1 FROM joined_rewards WHERE decision = oldest.id AND sequence > ?)
        OR EXISTS (SELECT 1 FROM outcomes WHERE decision = oldest.id AND outcomes.id > ?) AS stays
    FROM (SELECT id, created_at, awaits_expiry FROM decisions ORDER BY id LIMIT ?) AS oldest
) AS judged
"""
_REQUEST_BOUND = """
SELECT coalesce(min(CASE WHEN created_at >= ? OR id > ? THEN id END) - 1, max(id)) FROM (
    SELECT id, created_at FROM captured_requests JOIN decisions ON id = decision ORDER BY decision LIMIT ?
) AS oldest
"""
_NEWEST = "SELECT (SELECT max(id) FROM decisions), (SELECT max(id) FROM outcomes)"
_DELETE_REQUESTS = "DELETE FROM captured_requests WHERE decision <= ?"
_DELETE_PARTS = (
    _DELETE_REQUESTS,
    "DELETE FROM joined_rewards WHERE decision <= ?",
    "DELETE FROM outcomes WHERE decision <= ?",
    "DELETE FROM decision_records WHERE decision <= ?",
)
_DELETE_DECISIONS = "DELETE FROM decisions WHERE id <= ?"


def retire(transaction: Transaction, settings: EventSettings, now: float, learned_until: int) -> int:
    """Delete up to `sweep_limit` requests and as many decisions; gives how many of both were deleted."""
    execute, limit = transaction.execute, settings.sweep_limit
    marks = dict(execute(_MARKS).fetchall())
    decision, outcome, reward = (
        marks.get(name, 0) if settings.keep_unexported else _EVERYTHING
        for name in (EXPORTED_DECISION, EXPORTED_OUTCOME, EXPORTED_REWARD)
    )
    # The newest stay: SQLite gives the ids above the highest that is left once more, below the marks.
    newest_decision, newest_outcome = execute(_NEWEST).fetchone()
    decision, outcome = min(decision, (newest_decision or 0) - 1), min(outcome, (newest_outcome or 0) - 1)
    age = (now - settings.keep_requests_seconds, decision, limit)
    (bound,) = execute(_REQUEST_BOUND, age).fetchone()
    num_requests = 0 if bound is None else execute(_DELETE_REQUESTS, (bound,)).rowcount
    stays = (
        now - settings.keep_decisions_seconds,
        decision,
        min(learned_until, reward),
        outcome,
        limit,
    )
    (bound,) = execute(_DECISION_BOUND, stays).fetchone()
    num_decisions = 0
    if bound is not None:
        num_requests += execute(_DELETE_PARTS[0], (bound,)).rowcount
        for part in _DELETE_PARTS[1:]:
            execute(part, (bound,))
        num_decisions = execute(_DELETE_DECISIONS, (bound,)).rowcount
    for name, number in (("retired_requests", num_requests), ("retired", num_decisions)):
        if number:  # an idle store writes nothing
            transaction.tallies[name] += number
    return num_decisions + num_requests
