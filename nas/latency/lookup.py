"""A latency table fitted from whole-model timings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from nas.errors import SearchError

if TYPE_CHECKING:
    from nas.space import FloatArray


@dataclass(frozen=True)
class LatencyTable:
    """A price for each count: latency = max(fixed + counts · prices, least), all prices ≥ 0."""

    fixed: float
    prices: FloatArray
    """(p,) in the unit of the timings."""
    least: float
    """Half of the fastest timing: no model takes no time, though the fit may say so beyond its data."""

    def __call__(self, counts: FloatArray) -> FloatArray:
        """Predicts (n,) from counts (n, p)."""
        predicted: FloatArray = np.maximum(self.fixed + counts @ self.prices, self.least)
        return predicted


def fit_table(counts: FloatArray, latency: FloatArray, ridge: float = 1e-2) -> LatencyTable:
    """Fits prices to timings of whole models.

    min over w ≥ 0 of Σ_i ((w₀ + c_i · w)/y_i − 1)² + ridge · Σ_j (w_j s_j / ȳ)², where s_j is the root mean
    square of column j: relative errors count, so fast models are fitted as well as slow ones. Nothing that a
    model does can make it faster, hence w ≥ 0 (Lawson and Hanson 1974). Operations are not timed alone: their
    sum misses what a runtime fuses and overlaps.

    Args:
        counts: (n, p) what each model does: operations by kind, bytes, multiply–adds, launches; ≥ 0.
        latency: (n,) positive timings, one unit for all.
        ridge: weight of the penalty, in squared relative errors.

    Raises:
        SearchError: a count is negative, a timing is not positive, or shapes differ.
    """
    check_timings(counts, latency)
    if (counts < 0.0).any():
        raise SearchError("counts", float(counts.min()), "must not be negative")
    columns = np.column_stack([np.ones(len(counts)), counts])
    size = np.sqrt((columns**2).mean(axis=0))
    size[size == 0.0] = 1.0
    penalty = np.sqrt(ridge) * np.diag(size / latency.mean())[1:]
    rows = np.concatenate([columns / latency[:, None], penalty])
    target = np.concatenate([np.ones(len(latency)), np.zeros(len(penalty))])
    # Columns of like size, as a solver wants them.
    scaled, _ = nnls(rows / size, target)
    weights = scaled / size
    return LatencyTable(float(weights[0]), weights[1:], float(latency.min()) / 2.0)


def check_timings(counts: FloatArray, latency: FloatArray) -> None:
    """Refuses timings that nothing can be fitted to.

    Raises:
        SearchError: names what is wrong and its value.
    """
    if counts.ndim != 2 or latency.shape != (len(counts),) or len(counts) == 0:
        raise SearchError("latency.shape", latency.shape, f"must be (n,) for counts of shape {counts.shape}")
    if not np.isfinite(counts).all():
        raise SearchError("counts", float(counts[~np.isfinite(counts)][0]), "must be finite")
    if not (latency > 0.0).all() or not np.isfinite(latency).all():
        bad = latency[~((latency > 0.0) & np.isfinite(latency))]
        raise SearchError("latency", float(bad[0]), "must be positive and finite")
