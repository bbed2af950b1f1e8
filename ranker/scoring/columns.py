"""Turns the columns of a CSV or Parquet file into typed columns that know which of their rows are bad."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from ranker.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_TIME_TYPES = (pa.float64(), pa.timestamp("us", tz="UTC"), pa.timestamp("us"))


@dataclass(frozen=True)
class Column:
    """A column after reading: `values` are meaningless where `bad`; `source` is what the file says there."""

    name: str
    source: pa.ChunkedArray
    values: pa.Array
    bad: NDArray[np.bool_]
    rule: str
    """What a good value is, to end the sentence `must be …`."""

    def to_numpy(self) -> NDArray[Any]:
        """Returns the values (n,)."""
        array: NDArray[Any] = self.values.to_numpy(zero_copy_only=False)
        return array


def read_columns(path: Path, names: list[str]) -> pa.Table:
    """Returns the named columns: typed as in a Parquet file, as text from a CSV file with a header line."""
    if not path.is_file():
        raise NotFoundError("data", str(path), "no such file")
    if path.suffix not in (".csv", ".parquet"):
        raise InvalidInputError("data", str(path), "must end in .csv or .parquet")
    try:
        found = _csv_header(path) if path.suffix == ".csv" else parquet.read_schema(path).names
        for name in names:
            if name not in found:
                raise InvalidInputError("column", name, f"is missing in {path}")
        return _read_csv(path, names) if path.suffix == ".csv" else parquet.read_table(path, columns=names)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InvalidInputError("data", str(path), f"cannot be read: {error}") from error


def number_column(source: pa.ChunkedArray, name: str) -> Column:
    """Reads finite numbers that fit into float32."""
    values = _parse(source, pa.float64())
    with np.errstate(over="ignore", invalid="ignore"):
        bad = ~np.isfinite(values.to_numpy(zero_copy_only=False).astype(np.float32))
    return Column(name, source, values, bad, "a finite number")


def click_column(source: pa.ChunkedArray, name: str) -> Column:
    """Reads clicks, 0 or 1."""
    values = _parse(source, pa.float64())
    return Column(name, source, values, ~np.isin(values.to_numpy(zero_copy_only=False), (0.0, 1.0)), "0 or 1")


def age_column(source: pa.ChunkedArray, name: str) -> Column:
    """Reads ages, finite and not negative."""
    values = _parse(source, pa.float64())
    ages = values.to_numpy(zero_copy_only=False)
    return Column(name, source, values, ~(np.isfinite(ages) & (ages >= 0.0)), "a finite number from 0")


def delay_column(source: pa.ChunkedArray, name: str, clicks: Column, ages: Column, window: float) -> Column:
    """Reads delays of clicks: empty, hence infinite, where there is none."""
    given = _without_empty_text(source)
    values = _parse(given, pa.float64()).fill_null(np.inf)
    delays, clicked = values.to_numpy(), clicks.to_numpy() == 1.0
    empty = given.is_null().to_numpy(zero_copy_only=False)
    good = np.where(clicked, (delays >= 0.0) & (delays <= np.minimum(ages.to_numpy(), window)), empty)
    end = f"the row's {ages.name}" + (f" or {window:g}" if np.isfinite(window) else "")
    rule = f"from 0 to {end} where {clicks.name} is 1, and empty where it is 0"
    return Column(name, source, values, ~good, rule)


def id_column(source: pa.ChunkedArray, name: str, size: int) -> Column:
    """Reads ids in 0..size-1."""
    values = _parse(source, pa.int64()).fill_null(-1)
    ids = values.to_numpy()
    return Column(name, source, values, (ids < 0) | (ids >= size), f"an id in 0..{size - 1}")


def text_column(source: pa.ChunkedArray, name: str, file: str) -> Column:
    """Reads text; integers and booleans are taken as their text, missing values as the empty string."""
    kind = source.type.value_type if pa.types.is_dictionary(source.type) else source.type
    texts = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_boolean,
        pa.types.is_null,
    )
    if not any(is_kind(kind) for is_kind in texts):
        # The text of 1.0 depends on who wrote it: it would match in one file and not in the next.
        raise InvalidInputError(
            f"{file}: type of column {name!r}", str(kind), "must be text, integer or boolean"
        )
    values = _flat(source.cast(kind).cast(pa.string())).fill_null("")
    return Column(name, source, values, np.zeros(len(values), dtype=bool), "text")


def time_column(source: pa.ChunkedArray, name: str, file: str) -> Column:
    """Reads times: numbers, timestamps, or text that is a number or an ISO 8601 time."""
    first = _flat(source.drop_null().slice(0, 1))
    kind = next((kind for kind in _TIME_TYPES if _casts(first, kind)), None)
    if kind is None:
        value = first[0].as_py() if len(first) else None
        raise InvalidInputError(f"{file}: column {name!r}", value, "must be numbers or ISO 8601 times")
    values = _parse(source, kind)
    bad = values.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        bad |= ~np.isfinite(values.to_numpy(zero_copy_only=False))
    return Column(name, source, values, bad, "a number or an ISO 8601 time like the first row's")


def _csv_header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _read_csv(path: Path, names: list[str]) -> pa.Table:
    return arrow_csv.read_csv(
        path,
        # With threads, Arrow cannot say in which row a malformed line is.
        read_options=arrow_csv.ReadOptions(use_threads=False),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=names, column_types=dict.fromkeys(names, pa.string())
        ),
    )


def _parse(source: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Returns the column cast to `kind`, null where a value cannot be."""
    flat = _flat(source)
    if pa.types.is_boolean(flat.type):
        flat = flat.cast(pa.int8())
    try:
        return _cast(flat, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Arrow does not say which value failed: only now is it worth asking one by one.
        good = [_casts(flat.slice(row, 1), kind) for row in range(len(flat))]
        if not any(good):  # such as times that were to be numbers: no value of that type can be cast
            return pa.nulls(len(flat), kind)
        return _cast(pc.if_else(pa.array(good), flat, pa.scalar(None, flat.type)), kind)


def _casts(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        _cast(values, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    # Timestamps may lose nanoseconds; an id that is no integer may not become one.
    return pc.cast(values, kind, safe=not pa.types.is_timestamp(kind))


def _without_empty_text(source: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(source, ""), None, source) if pa.types.is_string(source.type) else source


def _flat(source: pa.ChunkedArray) -> pa.Array:
    flat = source.combine_chunks()
    return pa.concat_arrays(flat.chunks) if isinstance(flat, pa.ChunkedArray) else flat
