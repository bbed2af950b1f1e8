"""Turns a model's rows into the sparse features of a factorization machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Design:
    """Features of a row: its numbers, clipped and standardised, then one indicator for each id of each field.

    Numbers outside the training range are taken as its ends: a linear model has seen nothing beyond.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    """Standard deviations (d,), 1 for a constant column."""
    num_ids: NDArray[np.int64]
    """(c,)"""

    @property
    def num_features(self) -> int:
        """D = d + Σ ids."""
        return len(self.mean) + int(self.num_ids.sum())

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where the indicators of each categorical column (c,) begin among all indicators."""
        return np.cumsum(self.num_ids) - self.num_ids

    def features(self, numeric: NDArray[np.float32], categorical: NDArray[np.int64]) -> csr_array:
        """Returns the features (n, D) of numeric (n, d) and categorical (n, c) rows."""
        num_rows, num_numeric = numeric.shape
        numbers = (np.clip(numeric.astype(np.float64), self.low, self.high) - self.mean) / self.scale
        columns = np.broadcast_to(np.arange(num_numeric), (num_rows, num_numeric))
        indices = np.hstack([columns, num_numeric + self.offsets + categorical])
        values = np.hstack([numbers, np.ones(categorical.shape)])
        row_ends = np.arange(num_rows + 1) * indices.shape[1]
        return csr_array((values.ravel(), indices.ravel(), row_ends), shape=(num_rows, self.num_features))


def fit_design(numeric: NDArray[np.float32], num_ids: NDArray[np.int64]) -> Design:
    """Returns the design whose ranges and scales are those of the training rows (n, d)."""
    rows = numeric.astype(np.float64)
    deviation = rows.std(axis=0)
    low, high = rows.min(axis=0), rows.max(axis=0)
    return Design(low, high, rows.mean(axis=0), np.where(high > low, deviation, 1.0), num_ids)
