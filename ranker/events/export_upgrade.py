"""Lays an export of an earlier release, one file a table, by the hour."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from ranker.errors import InvalidInputError, NotFoundError
from ranker.events.export_layout import TABLES, HourlyWriter, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ranker.events.export_tables import Row

_BATCH = 2_000
_EVER = float("-inf"), float("inf")


def partition_export(export: Path) -> dict[str, int]:
    """Writes the tables by the hour and deletes the single files once all are complete; returns their rows.

    Columns stay as they are. Raises NotFoundError where there is nothing of the kind, and InvalidInputError
    where hours are there already or an outcome has no decision.
    """
    files = {table: export / f"{table}.parquet" for table in TABLES}
    files = {table: file for table, file in files.items() if file.is_file()}
    if "mixtures" not in files:
        raise NotFoundError("export", str(export / "mixtures.parquet"), "no such file: nothing to partition")
    there = [table for table in TABLES if (export / table).exists()]
    if there:
        raise InvalidInputError("export", str(export / there[0]), "is partitioned already")
    with TemporaryDirectory(prefix=".export-", dir=export) as staging:
        num_rows = {}
        for table, file in files.items():
            num_rows[table] = 0
            with HourlyWriter(Path(staging) / table, parquet.read_schema(file)) as writer:
                for rows in _batches(file, files["mixtures"]):
                    writer.write(rows)
                    num_rows[table] += len(rows)
        put(Path(staging), export, *_EVER)
    return num_rows


def _batches(file: Path, mixtures: Path) -> Iterator[list[Row]]:
    with parquet.ParquetFile(file) as table:
        timed = "created_at" in table.schema_arrow.names
        decisions = None if timed else parquet.read_table(mixtures, columns=["decision_id", "created_at"])
        for batch in table.iter_batches(_BATCH):
            times = batch["created_at"] if decisions is None else _times(batch, decisions)
            # Exactly, and as the writer wants them: as numbers.
            made = times.cast(pa.int64()).to_pylist()
            yield [row | {"created_at": at} for row, at in zip(batch.to_pylist(), made, strict=True)]


def _times(outcomes: pa.RecordBatch, decisions: pa.Table) -> pa.ChunkedArray:
    """Gives when the decision of each outcome was made."""
    places = pc.index_in(outcomes["decision_id"], value_set=decisions["decision_id"])
    if places.null_count:
        unknown = outcomes["decision_id"].filter(places.is_null())[0].as_py()
        raise InvalidInputError("outcomes.decision_id", unknown, "has no decision in mixtures.parquet")
    return decisions["created_at"].take(places)
