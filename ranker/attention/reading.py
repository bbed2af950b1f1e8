"""Reads click logs from CSV and Parquet: the only module of this package that touches log files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from ranker.attention.click_log import ClickLog
from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Ours first, then the word of the event store's export.
_NAMES = {
    "session": ("session", "decision_id"),
    "position": ("position",),
    "item": ("item", "candidate_id"),
    "click": ("click", "reward"),
}
_VERSIONS = ("version", "model_version", "posterior_version")


def read_log(path: Path, by: tuple[str, ...] = ()) -> tuple[ClickLog, int]:
    """Returns the log, contexts from the columns `by`, and the number of rows left out.

    Left out are sessions of which a click is not known yet (null). Raises InvalidInputError naming file,
    column and row.
    """
    table = _read_table(path)
    columns = {name: _column(path, table, name) for name in _NAMES}
    contexts = [_context_column(path, table, name) for name in by]
    for name, column in {**columns, **dict(zip(by, contexts, strict=True))}.items():
        if name != "click":
            _no_nulls(path, name, column)
    session = _codes(columns["session"])
    position, click = _positions(path, columns["position"]), _clicks(path, columns["click"])
    context, names = _contexts(by, contexts)
    settled = ~np.isin(session, session[np.isnan(click)])
    if not settled.any():
        raise InvalidInputError(f"{path}: click", None, "no session has all its clicks known")
    randomised = None
    if "randomised" in table.column_names:
        randomised = _clicks(path, table.column("randomised"), "randomised")[settled] == 1
    versions = tuple(name for name in _VERSIONS if name in table.column_names)
    version, _ = _contexts(versions, [table.column(name) for name in versions])
    log = ClickLog(
        session[settled],
        position[settled],
        _codes(columns["item"])[settled],
        click[settled] == 1,
        None if context is None else context[settled],
        names,
        randomised,
        None if version is None else version[settled],
        by,
    )
    return log, int((~settled).sum())


def _read_table(path: Path) -> pa.Table:
    if not path.exists():
        raise InvalidInputError("log", str(path), "does not exist")
    try:
        if path.suffix == ".parquet" or path.is_dir():
            return pyarrow.parquet.read_table(path)
        if path.suffix == ".csv":
            return pyarrow.csv.read_csv(path)
    except pa.ArrowInvalid as error:
        raise InvalidInputError("log", str(path), f"cannot be read: {error}") from None
    raise InvalidInputError("log", str(path), "must end in .csv or .parquet, or be a table of an export")


def _column(path: Path, table: pa.Table, name: str) -> pa.ChunkedArray:
    for known in _NAMES[name]:
        if known in table.column_names:
            return table.column(known)
    raise InvalidInputError(f"{path}: columns", table.column_names, f"there is no column {name!r}")


def _context_column(path: Path, table: pa.Table, name: str) -> pa.ChunkedArray:
    if name in table.column_names:
        return table.column(name)
    if "context" in table.column_names and pa.types.is_map(table.schema.field("context").type):
        return pc.map_lookup(table.column("context"), name, "first")
    raise InvalidInputError(
        f"{path}: columns", table.column_names, f"there is no column {name!r} to split by"
    )


def _no_nulls(path: Path, name: str, column: pa.ChunkedArray) -> None:
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise InvalidInputError(f"{path}: {name}[{row}]", None, "must not be empty")


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Returns (N,): each different value numbered."""
    encoded = column.combine_chunks().dictionary_encode()
    codes: NDArray[np.int64] = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _positions(path: Path, column: pa.ChunkedArray) -> NDArray[np.int64]:
    if not pa.types.is_integer(column.type):
        raise InvalidInputError(f"{path}: position", str(column.type), "must be integers that start at 0")
    positions: NDArray[np.int64] = column.to_numpy().astype(np.int64)
    return positions


def _clicks(path: Path, column: pa.ChunkedArray, name: str = "click") -> NDArray[np.float64]:
    """Returns (N,): 0, 1 or NaN where null."""
    try:
        values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy().astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidInputError(f"{path}: {name}", str(column.type), "must be 0 or 1") from None
    wrong = ~np.isin(values, (0.0, 1.0)) & ~np.isnan(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidInputError(f"{path}: {name}[{row}]", float(values[row]), "must be 0 or 1")
    return values


def _contexts(by: tuple[str, ...], columns: list[Any]) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Returns a code a row and the contexts' names, such as device=phone,placement=feed."""
    if not by:
        return None, ()
    parts = [
        pc.binary_join_element_wise(n, pc.fill_null(c.cast(pa.string()), ""), "=")
        for n, c in zip(by, columns, strict=True)
    ]
    joined = pc.binary_join_element_wise(*parts, ",").combine_chunks().dictionary_encode()
    codes: NDArray[np.int64] = joined.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, tuple(joined.dictionary.to_pylist())
