"""Where an export's rows lie: by table, and in it by the hour (UTC) of their decision.

    OUT/decisions/date=2026-11-24/hour=16/part-00000.parquet

All that came of a decision lies in its hour, whenever it came. The files of a table in the order of their
paths have the decisions in the same order as those of the other tables.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as parquet

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from ranker.events.export_tables import Row

TABLES = ("decisions", "mixtures", "outcomes", "requests")
HOUR_SECONDS = 3600
# Decisions come nearly in the order of time: of two hours around their border, not of many at once.
MAX_OPEN_FILES = 4


class HourlyWriter:
    """Writes the rows of one table; each has `created_at` of its decision in microseconds."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._schema = schema
        self._open: OrderedDict[int, parquet.ParquetWriter] = OrderedDict()  # the latest last
        self._num_parts: Counter[int] = Counter()

    def write(self, rows: Sequence[Row]) -> None:
        """Appends the rows to the files of their hours."""
        by_hour: dict[int, list[Row]] = {}
        for row in rows:
            by_hour.setdefault(row["created_at"] // (HOUR_SECONDS * 10**6), []).append(row)
        for hour, group in by_hour.items():
            self._writer(hour).write_batch(pa.RecordBatch.from_pylist(group, schema=self._schema))

    def _writer(self, hour: int) -> parquet.ParquetWriter:
        if hour not in self._open:
            if len(self._open) == MAX_OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            folder = self._folder / hour_folder(hour)
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"part-{self._num_parts[hour]:05d}.parquet"
            self._num_parts[hour] += 1
            self._open[hour] = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._open.move_to_end(hour)
        return self._open[hour]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._open.values():
            writer.close()


def hour_folder(hour: int) -> str:
    """Gives the folder of an hour since the epoch, as Hive names partitions."""
    return f"{datetime.fromtimestamp(hour * HOUR_SECONDS, UTC):date=%Y-%m-%d/hour=%H}"


def hours_within(table: Path, created_from: float, created_before: float) -> Iterator[Path]:
    """Gives the folders of a table's hours in [from, before)."""
    for folder in sorted(table.glob("date=*/hour=*")):
        began = datetime.strptime(f"{folder.parent.name} {folder.name} +0000", "date=%Y-%m-%d hour=%H %z")
        if created_from <= began.timestamp() < created_before:
            yield folder


def check_whole_hours(created_from: float, created_before: float) -> None:
    """Raises InvalidInputError where a range of time begins or ends within an hour."""
    for name, seconds in (("created_from", created_from), ("created_before", created_before)):
        if math.isnan(seconds) or (math.isfinite(seconds) and seconds % HOUR_SECONDS):
            raise InvalidInputError(name, seconds, "must be a whole hour: exports are replaced by the hour")


def timeless_files(out: Path) -> list[Path]:
    """Gives what lies there in no hour: tables in one file each, as earlier releases wrote, or in parts."""
    whole = (out / f"{table}.parquet" for table in TABLES)
    parts = (part for table in TABLES for part in sorted((out / table).glob("*.parquet")))
    return [file for file in (*whole, *parts) if file.is_file()]


def put(staged: Path, out: Path, created_from: float, created_before: float) -> None:
    """Puts an export's hours in place of those of the range that are there; `staged` is on the same disk."""
    for table in TABLES:
        for hour in list(hours_within(out / table, created_from, created_before)):
            replaced = staged / "replaced" / table / hour.parent.name
            replaced.mkdir(parents=True, exist_ok=True)
            hour.rename(replaced / hour.name)
        (out / table).mkdir(exist_ok=True)
        for hour in list((staged / table).glob("date=*/hour=*")):
            day = out / table / hour.parent.name
            day.mkdir(exist_ok=True)
            hour.rename(day / hour.name)
    for file in timeless_files(out):
        file.unlink()
