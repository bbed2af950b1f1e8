"""The store as Parquet files, for those who analyse it; the server goes on meanwhile."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ranker.errors import InvalidInputError
from ranker.events.codec import decode
from ranker.events.export_layout import (
    TABLES,
    HourlyWriter,
    check_whole_hours,
    hours_within,
    put,
    timeless_files,
)
from ranker.events.export_tables import (
    DECISIONS,
    MIXTURES,
    OUTCOMES,
    REQUESTS,
    microseconds,
    mixture_row,
    position_rows,
)
from ranker.events.reader import TALLIES
from ranker.events.retention import EXPORTED_DECISION, EXPORTED_OUTCOME, EXPORTED_REWARD
from ranker.events.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from ranker.events.export_tables import Row
    from ranker.events.source import EventLocation, Source
    from ranker.slate import Decision

# Rows of one read: each has a snapshot of its own, so that the server can recycle its log in between.
_BATCH = 2_000

_LAST = """
SELECT (SELECT coalesce(max(id), 0) FROM decisions),
       (SELECT coalesce(max(id), 0) FROM outcomes),
       (SELECT coalesce(max(sequence), 0) FROM joined_rewards)
"""
_RECORDS = """
SELECT id, record FROM decisions JOIN decision_records ON decision = id
WHERE id > ? AND id <= ? AND created_at >= ? AND created_at < ?
ORDER BY id LIMIT ?
"""
_REWARDS = """
SELECT decision, position, sequence, reward, expired FROM joined_rewards
WHERE decision BETWEEN ? AND ? AND sequence <= ?
"""
_OUTCOMES = """
SELECT outcomes.id, created_at,
       event_id, decision_id, position, event_type, reward, occurred_at, received_at, status
FROM outcomes JOIN decisions ON decisions.id = decision
WHERE outcomes.id > ? AND outcomes.id <= ? AND created_at >= ? AND created_at < ?
ORDER BY outcomes.id LIMIT ?
"""
_CAPTURES = """
SELECT id, decision_id, created_at, record FROM decisions JOIN captured_requests ON decision = id
WHERE id > ? AND id <= ? AND created_at >= ? AND created_at < ?
ORDER BY id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """How many rows were written, and up to where the store was read."""

    decisions: int  # rows of `mixtures`
    positions: int  # rows of `decisions`
    joined: int  # of these, the ones with a reward
    outcomes: int
    last_sequence: int  # rewards joined later than this one are not in the files
    captured: int = 0  # rows of `requests`


@dataclass(frozen=True, slots=True)
class _Extract:
    """The rows up to the last ones of one moment, of decisions in a range of time."""

    source: Source
    last_decision: int
    last_outcome: int
    last_sequence: int
    created_from: float
    created_before: float

    def decisions(self) -> Iterator[list[tuple[Decision, dict[int, tuple[int, float, bool]]]]]:
        """Give batches of decisions with (sequence, reward, expired) by position."""
        for page in self._pages(_RECORDS, self.last_decision):
            rewards: defaultdict[int, dict[int, tuple[int, float, bool]]] = defaultdict(dict)
            ids = (page[0][0], page[-1][0])
            for row in self.source.fetch(_REWARDS, (*ids, self.last_sequence)):
                decision, position, sequence, reward, expired = row
                rewards[decision][position] = (sequence, reward, bool(expired))
            yield [(decode(record), rewards[number]) for number, record in page]

    def outcomes(self) -> Iterator[list[Row]]:
        """Give batches of rows of `outcomes`."""
        for page in self._pages(_OUTCOMES, self.last_outcome):
            rows = [dict(zip(("created_at", *OUTCOMES.names), cells, strict=True)) for _, *cells in page]
            for row in rows:
                row["created_at"] = microseconds(row["created_at"])
                row["occurred_at"] = microseconds(row["occurred_at"])
                row["received_at"] = microseconds(row["received_at"])
            yield rows

    def requests(self) -> Iterator[list[Row]]:
        """Give batches of rows of `requests`; none where the store is older than captures."""
        if not self.source.has_captures():
            return
        for page in self._pages(_CAPTURES, self.last_decision):
            yield [
                {"decision_id": decision_id, "created_at": microseconds(created_at), "record": record}
                for _, decision_id, created_at, record in page
            ]

    def _pages(self, query: str, last: int) -> Iterator[Sequence[Any]]:
        after = 0
        while page := self.source.fetch(query, (after, last, self.created_from, self.created_before, _BATCH)):
            yield page
            after = page[-1][0]


def export_parquet(
    location: EventLocation,
    out: Path,
    *,
    created_from: float = float("-inf"),
    created_before: float = float("inf"),
) -> ExportSummary:
    """Write what was decided, what came of it and what was captured, of decisions created in [from, before).

    The range is of whole hours. Those of them that are there already are replaced, after all are complete;
    the others stay.
    """
    check_whole_hours(created_from, created_before)
    everything = (created_from, created_before) == (float("-inf"), float("inf"))
    out.mkdir(parents=True, exist_ok=True)
    with (
        closing(open_source(location)) as source,
        TemporaryDirectory(prefix=".export-", dir=out) as staging,
    ):
        last_decision, last_outcome, last_sequence = source.fetch(_LAST)[0]
        extract = _Extract(source, last_decision, last_outcome, last_sequence, created_from, created_before)
        _check_nothing_is_overwritten(extract, out, everything)
        num_decisions, num_positions, num_joined = _write_decisions(extract, Path(staging))
        num_outcomes = _write(Path(staging) / "outcomes", OUTCOMES, extract.outcomes())
        num_captured = _write(Path(staging) / "requests", REQUESTS, extract.requests())
        _check_nothing_is_overwritten(extract, out, everything)  # rows may have gone meanwhile
        put(Path(staging), out, created_from, created_before)
        if everything:
            source.raise_marks(
                {
                    EXPORTED_DECISION: last_decision,
                    EXPORTED_OUTCOME: last_outcome,
                    EXPORTED_REWARD: last_sequence,
                }
            )
    return ExportSummary(num_decisions, num_positions, num_joined, num_outcomes, last_sequence, num_captured)


def _check_nothing_is_overwritten(extract: _Extract, out: Path, everything: bool) -> None:
    """Refuses to replace rows that may have been deleted, and to mix hours with files of none."""
    tallies = dict(extract.source.fetch(TALLIES))
    timeless = timeless_files(out)
    if timeless and not everything:
        raise InvalidInputError(
            "out", str(timeless[0]), "is of no hour: run `adranker events partition` first"
        )
    hours = (
        hour
        for table in TABLES
        for hour in hours_within(out / table, extract.created_from, extract.created_before)
    )
    if (tallies.get("retired") or tallies.get("retired_requests")) and (timeless or any(hours)):
        raise InvalidInputError(
            "out", str(out), "holds an export of rows that may have been deleted since: give a new directory"
        )


def _write_decisions(extract: _Extract, folder: Path) -> tuple[int, int, int]:
    num_decisions = num_positions = num_joined = 0
    with (
        HourlyWriter(folder / "decisions", DECISIONS) as positions,
        HourlyWriter(folder / "mixtures", MIXTURES) as mixtures,
    ):
        for batch in extract.decisions():
            rows = [row for decision, rewards in batch for row in position_rows(decision, rewards)]
            positions.write(rows)
            mixtures.write([mixture_row(decision) for decision, _ in batch])
            num_decisions += len(batch)
            num_positions += len(rows)
            num_joined += sum(len(rewards) for _, rewards in batch)
    return num_decisions, num_positions, num_joined


def _write(folder: Path, schema: pa.Schema, batches: Iterable[list[Row]]) -> int:
    num_rows = 0
    with HourlyWriter(folder, schema) as writer:
        for rows in batches:
            writer.write(rows)
            num_rows += len(rows)
    return num_rows
