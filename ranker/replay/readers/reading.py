"""Reads logs of any of our formats as a stream of columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from ranker.errors import InvalidInputError
from ranker.replay.logged_batch import Defect, LoggedBatch, Rejection, tally
from ranker.replay.readers.dsjson import raw_dsjson
from ranker.replay.readers.options import LogFormat, Part, ReadOptions
from ranker.replay.readers.raw_rows import Names, believe
from ranker.replay.readers.tables import num_row_groups, raw_rows, raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The share of unusable rows is looked at before the end of the log once so many rows were read.
_SOON = 10_000
_DEFAULTS = ReadOptions()


def read_log(path: Path, options: ReadOptions = _DEFAULTS) -> Iterator[LoggedBatch]:
    """Give the usable rows of a log in batches; each batch says which rows it left out.

    Raises `InvalidInputError` naming file, row and column when more than `max_bad_ratio` of the rows cannot
    be used.
    """
    actions, loggers = Names(), Names()
    return limited(
        (batch for part in parts_of(path, options) for batch in _read(part, options, actions, loggers)),
        options.max_bad_ratio,
    )


def read_part(part: Part, options: ReadOptions = _DEFAULTS) -> Iterator[LoggedBatch]:
    """Give the usable rows of one part; codes are the part's own, names are everyone's."""
    return _read(part, options, Names(), Names())


def read_frame(frame: Any, options: ReadOptions = _DEFAULTS) -> LoggedBatch:
    """Take a dataframe (pandas, polars, Arrow, or a dict of arrays) with columns of the plain schema."""
    table = pa.table(frame)
    numbers = np.arange(table.num_rows)
    batch = believe(raw_rows(table, Part("frame", LogFormat.TABLE), options, numbers), Names(), Names())
    return next(limited(iter((batch,)), options.max_bad_ratio))


def parts_of(path: Path, options: ReadOptions = _DEFAULTS) -> tuple[Part, ...]:
    """Find the files of a log, and cut Parquet files by row group."""
    if not path.exists():
        raise InvalidInputError("log", str(path), "does not exist")
    parts: list[Part] = []
    for file in _files(path):
        kind = options.format or _format_of(file)
        if file.suffix != ".parquet":
            parts.append(Part(str(file), kind))
            continue
        first_row = 1
        for group, rows in enumerate(num_row_groups(str(file))):
            parts.append(Part(str(file), kind, group, first_row))
            first_row += rows
    return tuple(parts)


def limited(batches: Iterator[LoggedBatch], max_bad_ratio: float) -> Iterator[LoggedBatch]:
    """Pass batches on, and raise when too large a share of the rows cannot be used."""
    good = 0
    rejected: tuple[Rejection, ...] = ()
    for batch in batches:
        good += batch.num_rows
        rejected = tally((*rejected, *batch.rejected))
        if good + sum(r.count for r in rejected) >= _SOON:
            check_ratio(good, rejected, max_bad_ratio)
        yield batch
    check_ratio(good, rejected, max_bad_ratio)


def check_ratio(good: int, rejected: tuple[Rejection, ...], max_bad_ratio: float) -> None:
    """Raise when more than `max_bad_ratio` of the rows cannot be used; pending rewards are no mistake."""
    bad = [r for r in rejected if r.defect is not Defect.REWARD_PENDING]
    count = sum(r.count for r in bad)
    if count > max_bad_ratio * (good + count):
        worst = max(bad, key=lambda r: r.count)
        raise InvalidInputError(
            f"{worst.file}: row {worst.row}, column {worst.column or 'all'}",
            worst.value,
            f"{worst.defect}; {count} of {good + count} rows cannot be used, more than {max_bad_ratio:.2%}",
        )


def _read(part: Part, options: ReadOptions, actions: Names, loggers: Names) -> Iterator[LoggedBatch]:
    raw = raw_dsjson if part.format is LogFormat.DSJSON else raw_tables
    for rows, malformed in raw(part, options):
        batch = believe(rows, actions, loggers)
        if malformed:
            batch = _with_rejections(batch, malformed)
        yield batch


def _with_rejections(batch: LoggedBatch, more: tuple[Rejection, ...]) -> LoggedBatch:
    return replace(batch, rejected=tally((*batch.rejected, *more)))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    for nested in (path / "decisions.parquet", path / "decisions"):
        if nested.is_file():
            return [nested]
        if nested.is_dir():
            path = nested
    found = sorted(f for f in path.iterdir() if f.suffix in {".parquet", ".csv", ".json", ".dsjson"})
    found = found or sorted(path.glob("date=*/hour=*/*.parquet")) or sorted(path.glob("hour=*/*.parquet"))
    if not found:
        raise InvalidInputError("log", str(path), "holds no .parquet, .csv, .json or .dsjson file")
    return found


def _format_of(file: Path) -> LogFormat:
    if file.suffix in {".json", ".dsjson"}:
        return LogFormat.DSJSON
    if file.suffix == ".parquet":
        try:
            names = parquet.read_schema(file).names
        except pa.ArrowInvalid as error:
            raise InvalidInputError("log", str(file), f"cannot be read as Parquet: {error}") from None
        return LogFormat.EXPORT if "candidate_id" in names else LogFormat.TABLE
    if file.suffix == ".csv":
        with file.open(encoding="utf-8", errors="replace") as lines:
            header = lines.readline()
        return LogFormat.OPEN_BANDIT if "propensity_score" in header else LogFormat.TABLE
    raise InvalidInputError("log", str(file), "must end in .parquet, .csv, .json or .dsjson")
