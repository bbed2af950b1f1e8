"""Predicts latency with an interval: table, learned residual where it helps, conformal bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError
from nas.latency.lookup import check_timings, fit_table
from nas.regression import NetEnsemble

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.space import FloatArray


@dataclass(frozen=True)
class PredictorSettings:
    """How a predictor is fitted."""

    folds: int = 10
    residual: NetEnsemble | None = field(default_factory=lambda: NetEnsemble(widths=(32,), steps=150))
    """Learns log(measured / table); None leaves the table alone."""
    ridge: float = 1e-2

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise SearchError("folds", self.folds, "must be at least 2")


@dataclass(frozen=True)
class LatencyPredictor:
    """Predicts the latency of models for one key: device, runtime, precision, threads and batch."""

    predict: Callable[[FloatArray], FloatArray]
    """(n, p) counts → (n,) latency."""
    scores: FloatArray
    """(m,) sorted |log(measured / predicted)| of models that the fit had not seen."""
    residual_used: bool

    def upper(self, counts: FloatArray, level: float = 0.9) -> FloatArray:
        """Bounds (n,) that the latency of a new model stays below with at least this chance.

        One side of a symmetric interval, so its chance is above the level.
        """
        bound: FloatArray = self.predict(counts) * np.exp(self._quantile(level))
        return bound

    def interval(self, counts: FloatArray, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Gives lower and upper ends (n,), (n,) that hold a new model's latency with this chance."""
        centre, factor = self.predict(counts), float(np.exp(self._quantile(level)))
        return centre / factor, centre * factor

    def _quantile(self, level: float) -> float:
        """Takes the ⌈level·(m + 1)⌉-th smallest score: distribution-free for models drawn alike.

        Source: Papadopoulos et al. 2002, Inductive confidence machines for regression; scores from
        cross-validation as in Vovk 2015, Cross-conformal predictors.

        Raises:
            SearchError: the level is not in (0, 1), or too high for so few measurements.
        """
        if not 0.0 < level < 1.0:
            raise SearchError("level", level, "must be in (0, 1)")
        rank = int(np.ceil(level * (len(self.scores) + 1)))
        if rank > len(self.scores):
            raise SearchError("level", level, f"needs more than {len(self.scores)} measurements")
        return float(self.scores[rank - 1])


def fit_predictor(
    counts: FloatArray,
    latency: FloatArray,
    rng: np.random.Generator,
    settings: PredictorSettings | None = None,
) -> LatencyPredictor:
    """Fits a table, and a residual on top of it if it predicts unseen models better in cross-validation.

    Args:
        counts: (n, p) what each measured model does.
        latency: (n,) its measured latency.
        rng: splits the folds and starts the nets.
        settings: folds, residual and ridge.

    Raises:
        SearchError: timings are wrong, or fewer than the folds.
    """
    chosen = settings or PredictorSettings()
    check_timings(counts, latency)
    if len(latency) < 2 * chosen.folds:
        raise SearchError("len(latency)", len(latency), f"must be at least {2 * chosen.folds}: two a fold")
    fold = rng.permutation(np.arange(len(latency)) % chosen.folds)
    plain = _unseen_errors(counts, latency, fold, lambda c, y: fit_table(c, y, chosen.ridge))
    if chosen.residual is not None:
        net = chosen.residual

        def corrected(c: FloatArray, y: FloatArray) -> Callable[[FloatArray], FloatArray]:
            return _corrected(c, y, rng, net, chosen.ridge)

        refined = _unseen_errors(counts, latency, fold, corrected)
        if np.square(refined).mean() < np.square(plain).mean():
            return LatencyPredictor(corrected(counts, latency), np.sort(np.abs(refined)), residual_used=True)
    table = fit_table(counts, latency, chosen.ridge)
    return LatencyPredictor(table, np.sort(np.abs(plain)), residual_used=False)


def _corrected(
    counts: FloatArray, latency: FloatArray, rng: np.random.Generator, net: NetEnsemble, ridge: float
) -> Callable[[FloatArray], FloatArray]:
    """Fits the table and the mean of nets on what it leaves: table(c) · exp(net(c))."""
    table = fit_table(counts, latency, ridge)
    centre, scale = counts.mean(axis=0), counts.std(axis=0)
    scale[scale == 0.0] = 1.0
    members = net((counts - centre) / scale, np.log(latency / table(counts)), rng)

    def predict(others: FloatArray) -> FloatArray:
        factor: FloatArray = np.exp(members((others - centre) / scale).mean(axis=0))
        return table(others) * factor

    return predict


def _unseen_errors(
    counts: FloatArray,
    latency: FloatArray,
    fold: np.ndarray[tuple[int], np.dtype[np.intp]],
    fit: Callable[[FloatArray, FloatArray], Callable[[FloatArray], FloatArray]],
) -> FloatArray:
    """Predicts each fold from the others; returns log(measured / predicted), (n,)."""
    errors = np.empty(len(latency))
    for held_out in np.unique(fold):
        out = fold == held_out
        predicted = fit(counts[~out], latency[~out])(counts[out])
        errors[out] = np.log(latency[out] / predicted)
    return errors
