"""A click log as networks are trained on it: ids of every field, in three parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from nas.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nas.space import FloatArray

    Ints = npt.NDArray[np.int64]
    Floats32 = npt.NDArray[np.float32]

NUM_BINS: Final = 32


@dataclass(frozen=True)
class ClickRows:
    """Impressions and their clicks."""

    ids: Ints
    """(n, fields): the bins of the numeric fields, then the ids of the categorical ones."""
    clicks: Floats32
    """(n,), 0 or 1."""
    numeric: Floats32
    """(n, numeric fields) before binning, for models that take numbers as they are."""

    def __len__(self) -> int:
        return len(self.clicks)


@dataclass(frozen=True)
class ClickData:
    """`train` fits weights, `validation` chooses, `test` is looked at once."""

    name: str
    num_ids: tuple[int, ...]
    """Ids of each field."""
    edges: tuple[FloatArray, ...]
    """Between the bins of each numeric field, rising."""
    train: ClickRows
    validation: ClickRows
    test: ClickRows

    def __post_init__(self) -> None:
        for part in (self.train, self.validation, self.test):
            if part.ids.shape != (len(part), len(self.num_ids)):
                raise SearchError("rows.ids.shape", part.ids.shape, f"must be (n, {len(self.num_ids)})")
            if len(part) == 0 or not np.isin(part.clicks, (0.0, 1.0)).all():
                raise SearchError("rows.clicks", part.clicks[:5].tolist(), "must be 0 or 1, at least one row")
            outside = (part.ids < 0) | (part.ids >= self.num_ids)
            if outside.any():
                row, field = (int(place[0]) for place in outside.nonzero())
                raise SearchError(
                    f"rows.ids[{row}, {field}]",
                    int(part.ids[row, field]),
                    f"must be in 0..{self.num_ids[field] - 1}",
                )

    @property
    def num_numeric(self) -> int:
        """How many of the fields are numeric."""
        return len(self.edges)


@dataclass(frozen=True)
class Columns:
    """All rows of a log, categorical values already ids."""

    numeric: Floats32
    """(n, d)"""
    categorical: Ints
    """(n, c)"""
    num_ids: tuple[int, ...]
    """Ids of each categorical field, that of unknown values included."""
    clicks: npt.NDArray[np.float64]
    """(n,)"""


def split_columns(name: str, columns: Columns, parts: Mapping[str, Ints]) -> ClickData:
    """Divides a log by row numbers named train, validation and test; bins numbers by quantiles of `train`."""
    fitted = columns.numeric[parts["train"]]
    edges = tuple(quantile_edges(column) for column in fitted.T)
    ids = np.concatenate([bin_ids(columns.numeric, edges), columns.categorical], axis=1)
    rows = {
        part: ClickRows(ids[chosen], columns.clicks[chosen].astype(np.float32), columns.numeric[chosen])
        for part, chosen in parts.items()
    }
    num_ids = (*(len(edge) + 1 for edge in edges), *columns.num_ids)
    return ClickData(name, num_ids, edges, rows["train"], rows["validation"], rows["test"])


def quantile_edges(values: npt.NDArray[np.floating]) -> FloatArray:
    """Gives at most NUM_BINS − 1 distinct cuts that put about equally many values into each bin.

    A value that fills a bin alone counts as one bin's worth, so that the others share the bins that are left:
    of amounts that are mostly 0, the rest is still told apart.
    """
    distinct, counts = np.unique(values, return_counts=True)
    upto = np.cumsum(np.minimum(counts, len(values) / NUM_BINS))
    inner = np.arange(1, NUM_BINS) / NUM_BINS * upto[-1]
    cuts = np.unique(distinct[np.searchsorted(upto, inner, side="right")].astype(np.float64))
    # A cut at the least value would leave the bin before it empty.
    kept: FloatArray = cuts[cuts > distinct[0]]
    return kept


def bin_ids(numeric: npt.NDArray[np.floating], edges: tuple[FloatArray, ...]) -> Ints:
    """Gives each number's bin: how many edges it reaches, (n, d)."""
    bins = np.zeros(numeric.shape, np.int64)
    for column, edge in enumerate(edges):
        bins[:, column] = np.searchsorted(edge, numeric[:, column].astype(np.float64), side="right")
    return bins
