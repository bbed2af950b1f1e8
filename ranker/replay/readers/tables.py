"""Logs with columns: our export, the Open Bandit Dataset, and plain tables of a minimal schema."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from ranker.errors import InvalidInputError
from ranker.replay.logged_batch import Defect, Rejection
from ranker.replay.readers.options import ActionOf, LogFormat, Part, ReadOptions
from ranker.replay.readers.raw_rows import RawRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Integers: TypeAlias = NDArray[np.int64]
    Piece: TypeAlias = tuple[pa.RecordBatch, Integers, tuple[Rejection, ...]]

# Our word → the file's, for what must be there and for what may.
_REQUIRED = {
    LogFormat.TABLE: {"action": "action", "reward": "reward", "propensity": "propensity"},
    LogFormat.OPEN_BANDIT: {"action": "item_id", "reward": "click", "propensity": "propensity_score"},
}
_OPTIONAL = {
    LogFormat.TABLE: {"position": "position", "logger": "logging_policy", "request": "request_id"},
    LogFormat.OPEN_BANDIT: {"position": "position"},
}
_EXPORT = {
    "reward": "reward",
    "position": "position",
    "request": "decision_id",
    "logger": "model_version",
}
_EXPORT_ACTION = {
    ActionOf.CANDIDATE: {"action": "candidate_id", "propensity": "propensity"},
    ActionOf.CREATIVE: {"action": "creative_elements", "propensity": "creative_propensity"},
}


def raw_tables(part: Part, options: ReadOptions) -> Iterator[tuple[RawRows, tuple[Rejection, ...]]]:
    """Give the rows of a part in batches, with what could not even be taken apart."""
    batches = _parquet_batches if part.file.endswith(".parquet") else _csv_batches
    for batch, numbers, malformed in batches(part, options):
        yield raw_rows(pa.Table.from_batches([batch]), part, options, numbers), malformed


def raw_rows(table: pa.Table, part: Part, options: ReadOptions, numbers: Integers) -> RawRows:
    """Name the columns of a table in our words."""
    if part.format is LogFormat.EXPORT:
        return _export_rows(table, part, options, numbers)
    names = _names(part, table.column_names)
    columns = {ours: _column(table, theirs) for ours, theirs in names.items()}
    contexts = {name: _context(part.file, table, name) for name in options.contexts}
    counts_from_one = part.format is LogFormat.OPEN_BANDIT
    return RawRows(
        part.file,
        numbers,
        **columns,
        contexts=contexts,
        named=names,
        first_position=1 if counts_from_one else 0,
    )


def _names(part: Part, present: list[str]) -> dict[str, str]:
    required = _REQUIRED[part.format]
    for theirs in required.values():
        if theirs not in present:
            raise InvalidInputError(f"{part.file}: columns", present[:12], f"there is no column {theirs!r}")
    return required | {ours: theirs for ours, theirs in _OPTIONAL[part.format].items() if theirs in present}


def _export_rows(table: pa.Table, part: Part, options: ReadOptions, numbers: Integers) -> RawRows:
    names = _EXPORT | _EXPORT_ACTION[options.action_of]
    for theirs in names.values():
        if theirs not in table.column_names:
            raise InvalidInputError(
                f"{part.file}: columns", table.column_names[:12], f"there is no column {theirs!r}"
            )
    if options.action_of is ActionOf.CREATIVE:
        # An ad without creatives is no row of this question.
        kept = pc.is_valid(_column(table, "creative_propensity"))
        table, numbers = table.filter(kept), numbers[kept.to_numpy(zero_copy_only=False)]
    columns = {ours: _column(table, theirs) for ours, theirs in names.items()}
    if options.action_of is ActionOf.CREATIVE:
        columns["action"] = pa.array(
            [_composition(row) for row in columns["action"].to_pylist()], pa.string()
        )
    contexts = {name: _context(part.file, table, name) for name in options.contexts}
    return RawRows(part.file, numbers, **columns, contexts=contexts, named=names, rewards_may_be_pending=True)


def _composition(elements: list[tuple[str, str]]) -> str:
    return ",".join(f"{slot}={element}" for slot, element in sorted(elements))


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def _context(file: str, table: pa.Table, name: str) -> pa.Array:
    """Find a column, or a key of the export's `context` or, after `element.`, of its creative elements."""
    if name in table.column_names:
        return _column(table, name)
    mapping, key = ("creative_elements", name[8:]) if name.startswith("element.") else ("context", name)
    if mapping in table.column_names and pa.types.is_map(table.schema.field(mapping).type):
        return pc.map_lookup(_column(table, mapping), key, "first")
    raise InvalidInputError(f"{file}: columns", table.column_names[:12], f"there is no column {name!r}")


def _parquet_batches(part: Part, options: ReadOptions) -> Iterator[Piece]:
    first = part.first_row
    try:
        with parquet.ParquetFile(part.file) as file:
            groups = None if part.row_group is None else [part.row_group]
            wanted = _wanted(part, options, file.schema_arrow.names)
            for batch in file.iter_batches(options.batch_rows, row_groups=groups, columns=wanted):
                yield batch, np.arange(first, first + batch.num_rows), ()
                first += batch.num_rows
    except pa.ArrowInvalid as error:
        raise InvalidInputError("log", part.file, f"cannot be read as Parquet: {error}") from None


def _wanted(part: Part, options: ReadOptions, present: list[str]) -> list[str]:
    """Give the columns to read; the rest of a wide log is left on disk."""
    if part.format is LogFormat.EXPORT:
        words = set((_EXPORT | _EXPORT_ACTION[options.action_of]).values())
        words |= {"context", "creative_elements", "creative_propensity"}
    else:
        words = set((_REQUIRED[part.format] | _OPTIONAL[part.format]).values())
    return [name for name in present if name in words | set(options.contexts)]


def _csv_batches(part: Part, options: ReadOptions) -> Iterator[Piece]:
    malformed: list[Rejection] = []
    skipped: set[int] = set()

    def skip(row: Any) -> str:
        number = row.number - 1  # Arrow counts the header as row 1
        problem = f"{row.actual_columns} cells where {row.expected_columns} are named"
        malformed.append(Rejection(Defect.MALFORMED, 1, part.file, number, "", problem))
        skipped.add(number)
        return "skip"

    numbers = (number for number in count(part.first_row) if number not in skipped)
    batch = None
    for batch in _open_csv(part, options, skip):
        taken = np.fromiter(islice(numbers, batch.num_rows), np.int64, batch.num_rows)
        yield batch, taken, tuple(malformed)
        malformed.clear()
    if malformed and batch is not None:
        yield batch.slice(0, 0), np.empty(0, np.int64), tuple(malformed)


def _open_csv(part: Part, options: ReadOptions, skip: Callable[[Any], str]) -> Iterator[pa.RecordBatch]:
    try:
        with open(part.file, "rb") as file:  # noqa: PTH123 (Arrow wants the handle)
            first = file.readline()
        if not first.strip():  # Arrow would end the process now and then
            raise InvalidInputError("log", part.file, "is empty: the first line must name the columns")
        header = first.decode("utf-8-sig", "replace").rstrip("\r\n").split(",")
        header = [name.strip('"') for name in header]
        wanted = _wanted(part, options, header)
        words = {*_REQUIRED[part.format].values(), *_OPTIONAL[part.format].values()}
        reader = csv.open_csv(
            part.file,
            # One thread: only then does Arrow know the number of a row that it cannot take apart.
            csv.ReadOptions(use_threads=False, block_size=8 << 20),
            csv.ParseOptions(invalid_row_handler=skip),
            # As text: a cell that is no number costs its row, not the file.
            csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(words & set(wanted), pa.string()),
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise InvalidInputError("log", part.file, f"cannot be read as CSV: {error}") from None
    try:
        yield from reader
    except pa.ArrowInvalid as error:
        raise InvalidInputError("log", part.file, f"cannot be read as CSV: {error}") from None


def num_row_groups(file: str) -> list[int]:
    """Return the number of rows of each row group of a Parquet file."""
    try:
        meta = parquet.read_metadata(file)
    except pa.ArrowInvalid as error:
        raise InvalidInputError("log", file, f"cannot be read as Parquet: {error}") from None
    rows = [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]
    return [int(count) for count in np.asarray(rows, dtype=np.int64)]
