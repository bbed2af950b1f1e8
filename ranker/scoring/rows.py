"""Checks a request's features against the schema and lays them out as a model's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.scoring.schema import FeatureSchema


def assemble_rows(
    schema: FeatureSchema,
    context_numeric: NDArray[np.float32],
    context_categorical: NDArray[np.int64],
    numeric: NDArray[np.float32],
    categorical: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns numeric (n, dc+d) and categorical (n, cc+c) rows of n candidates, the context repeated in each.

    Raises InvalidInputError naming the field, the candidate's row and the value.
    """
    num_rows = len(numeric)
    _check_shape("context.numeric", context_numeric, (len(schema.context_numeric),))
    _check_shape("context.categorical", context_categorical, (len(schema.context_categorical),))
    _check_shape("candidates.numeric", numeric, (num_rows, len(schema.candidate_numeric)))
    _check_shape("candidates.categorical", categorical, (num_rows, len(schema.candidate_categorical)))
    for name, ids in (("context.categorical", context_categorical), ("candidates.categorical", categorical)):
        if ids.dtype.kind not in "iu":
            raise InvalidInputError(f"{name}.dtype", str(ids.dtype), "ids must be integers")
    numeric_rows = np.empty((num_rows, len(schema.numeric_fields)), dtype=np.float32)
    numeric_rows[:, : len(context_numeric)] = context_numeric
    numeric_rows[:, len(context_numeric) :] = numeric
    categorical_rows = np.empty((num_rows, len(schema.categorical_fields)), dtype=np.int64)
    categorical_rows[:, : len(context_categorical)] = context_categorical
    categorical_rows[:, len(context_categorical) :] = categorical
    check_finite(schema, numeric_rows)
    check_ids(schema, categorical_rows)
    return numeric_rows, categorical_rows


def check_finite(schema: FeatureSchema, rows: NDArray[np.float32]) -> None:
    """Raises InvalidInputError at the first number of the rows (n, dc+d) that is NaN or infinite."""
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        field = schema.numeric_fields[column].name
        raise InvalidInputError(f"{field}[{row}]", float(rows[row, column]), "must be a finite number")


def check_ids(schema: FeatureSchema, rows: NDArray[np.int64]) -> None:
    """Raises InvalidInputError at the first id of the rows (n, cc+c) that its field does not have."""
    # Seen as unsigned, a negative id is a huge one: one comparison finds both kinds.
    wrong = rows.view(np.uint64) >= schema.num_ids.view(np.uint64)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        field = schema.categorical_fields[column]
        raise InvalidInputError(
            f"{field.name}[{row}]", int(rows[row, column]), f"must be in 0..{field.num_ids - 1}"
        )


def _check_shape(name: str, array: NDArray[np.generic], expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise InvalidInputError(f"{name}.shape", array.shape, f"the schema asks for {expected}")
