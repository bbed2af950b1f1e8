"""Candidates from columns: a pandas data frame, or a mapping of names to numpy arrays or lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.errors import InvalidInputError
from ranker.slate import Candidates, Context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ranker.scoring.schema import FeatureSchema

ID, BID, CTR, SPACE = "id", "bid", "ctr", "creative_space_id"


def candidates_from_columns(columns: Any, schema: FeatureSchema | None = None) -> Candidates:
    """Returns the candidates of columns `id`, `bid`, and the schema's candidate fields by name.

    `columns[name]` gives n values, as of a data frame or a dict. Words of a categorical field are encoded by
    its vocabulary, numbers are taken as its ids. A column `ctr` takes the place of the features, which then
    need no schema; `creative_space_id` is optional. Raises InvalidInputError for a column that is missing.
    """
    ids = tuple(map(str, _column(columns, ID)))
    given: dict[str, Any] = {"ids": ids, "bids": _column(columns, BID).astype(np.float64)}
    if SPACE in columns:
        given["creative_space_ids"] = tuple(map(str, _column(columns, SPACE)))
    if CTR in columns:
        return Candidates(ctr=_column(columns, CTR).astype(np.float64), **given)
    if schema is None:
        raise InvalidInputError("columns", CTR, "must be there where no schema names the features")
    numeric = [_column(columns, name).astype(np.float32) for name in schema.candidate_numeric]
    categorical = [_encoded(schema, name, _column(columns, name)) for name in schema.candidate_categorical]
    return Candidates(
        numeric=_matrix(numeric, len(ids), np.float32),
        categorical=_matrix(categorical, len(ids), np.int64),
        **given,
    )


def context_from_mapping(values: Mapping[str, Any], schema: FeatureSchema) -> Context:
    """Returns the context of the schema's context fields by name; words are encoded by their vocabulary."""
    rows = {name: [values[name]] for name in values}
    numeric = [_column(rows, name).astype(np.float32) for name in schema.context_numeric]
    categorical = [_encoded(schema, name, _column(rows, name)) for name in schema.context_categorical]
    return Context(
        _matrix(numeric, 1, np.float32)[0],
        _matrix(categorical, 1, np.int64)[0],
    )


def _column(columns: Any, name: str) -> NDArray[Any]:
    if name not in columns:
        raise InvalidInputError("columns", name, "is missing")
    return np.asarray(columns[name])


def _encoded(schema: FeatureSchema, name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.int64)
    return schema.field(name).encode(map(str, values))


def _matrix(columns: Sequence[NDArray[Any]], num_rows: int, dtype: type[np.generic]) -> NDArray[Any]:
    return np.stack(columns, axis=1) if columns else np.empty((num_rows, 0), dtype)
