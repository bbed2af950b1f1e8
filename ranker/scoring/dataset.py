"""Reads a click log from CSV or Parquet; a bad row is an error or is counted, never dropped silently."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ranker.errors import InvalidInputError
from ranker.scoring.columns import (
    Column,
    age_column,
    click_column,
    delay_column,
    id_column,
    number_column,
    read_columns,
    text_column,
    time_column,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.scoring.schema import FeatureSchema


@dataclass(frozen=True)
class ClickLog:
    """The rows of a data file in the schema's order, categorical values not yet encoded."""

    numeric: NDArray[np.float32]
    """(n, d)"""
    categorical: tuple[pa.Array, ...]
    """One array (n,) a field: text where the field has or gets a vocabulary, else ids."""
    clicks: NDArray[np.float64]
    """(n,), 0 or 1"""
    time: NDArray[Any] | None
    """(n,) float64 or datetime64"""
    num_bad_rows: int
    sha256: str
    """Of the data file."""
    ages: NDArray[np.float64] | None = None
    """(n,), with `delays` where the schema names them"""
    delays: NDArray[np.float64] | None = None
    """(n,), from a row to its click; infinite where there is none"""

    def encode(self, schema: FeatureSchema) -> NDArray[np.int64]:
        """Returns the ids (n, c) by the schema's vocabularies, which training has completed."""
        ids = np.zeros((len(self.clicks), len(self.categorical)), dtype=np.int64)
        for column, (field, values) in enumerate(
            zip(schema.categorical_fields, self.categorical, strict=True)
        ):
            if field.vocabulary is None:
                ids[:, column] = values.to_numpy()
            else:
                # The index in the vocabulary is the id; what it lacks is null, hence 0.
                index = pc.index_in(values, value_set=pa.array(field.vocabulary, pa.string()))
                ids[:, column] = index.fill_null(0).to_numpy()
        return ids


def read_click_log(path: Path, schema: FeatureSchema, max_bad_rows: int = 0) -> ClickLog:
    """Returns the rows of a `.csv` or `.parquet` file that has the schema's columns, others ignored.

    A row is bad when a number is missing or not finite, an id is out of range, a click is neither 0 nor 1, a
    time cannot be read, or a delay is longer than the row's age or disagrees with the click. Missing text is
    the empty string, a value like any other. More than `max_bad_rows` bad rows raise InvalidInputError naming
    file, row (from 1, header not counted), column and value; fewer are left out and counted.
    """
    if max_bad_rows < 0:
        raise InvalidInputError("max_bad_rows", max_bad_rows, "must not be negative")
    table = read_columns(path, _column_names(schema))
    source = str(path)
    numeric = [number_column(table[field.name], field.name) for field in schema.numeric_fields]
    categorical = [
        id_column(table[field.name], field.name, field.size)
        if field.vocabulary is None and field.size is not None
        else text_column(table[field.name], field.name, source)
        for field in schema.categorical_fields
    ]
    clicks = click_column(table[schema.label], schema.label)
    times = [] if schema.time is None else [time_column(table[schema.time], schema.time, source)]
    waits = _read_waits(table, schema, clicks)
    columns = [*numeric, *categorical, clicks, *times, *waits]
    bad = np.any([column.bad for column in columns], axis=0)
    num_bad = int(bad.sum())
    if num_bad > max_bad_rows:
        _raise_first_bad(source, columns, num_bad, max_bad_rows)
    keep = ~bad
    if not keep.any():
        raise InvalidInputError("data", source, "has no rows")
    return ClickLog(
        numeric=_stack([column.to_numpy()[keep] for column in numeric], int(keep.sum())),
        categorical=tuple(column.values.filter(pa.array(keep)) for column in categorical),
        clicks=clicks.to_numpy()[keep],
        time=times[0].to_numpy()[keep] if times else None,
        ages=waits[0].to_numpy()[keep] if waits else None,
        delays=waits[1].to_numpy()[keep] if waits else None,
        num_bad_rows=num_bad,
        sha256=_sha256(path),
    )


def _read_waits(table: pa.Table, schema: FeatureSchema, clicks: Column) -> list[Column]:
    """Returns the columns of ages and delays, or none where the schema has none."""
    if schema.age is None or schema.delay is None:
        return []
    ages = age_column(table[schema.age], schema.age)
    return [ages, delay_column(table[schema.delay], schema.delay, clicks, ages, schema.window)]


def _column_names(schema: FeatureSchema) -> list[str]:
    names = [field.name for field in (*schema.numeric_fields, *schema.categorical_fields)]
    others = (schema.label, schema.time, schema.age, schema.delay)
    return [*names, *(name for name in others if name is not None)]


def _stack(columns: list[NDArray[Any]], num_rows: int) -> NDArray[np.float32]:
    if not columns:
        return np.zeros((num_rows, 0), dtype=np.float32)
    return np.stack(columns, axis=1).astype(np.float32)


def _raise_first_bad(source: str, columns: list[Column], num_bad: int, max_bad_rows: int) -> None:
    first = min(
        (column for column in columns if column.bad.any()), key=lambda column: int(np.argmax(column.bad))
    )
    row = int(np.argmax(first.bad))
    raise InvalidInputError(
        f"{source}: row {row + 1}, column {first.name!r}",
        first.source[row].as_py(),
        f"must be {first.rule}; {num_bad} bad row(s), {max_bad_rows} allowed",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
