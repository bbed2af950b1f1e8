"""What predictions are worth on rows that the model has not seen, each figure with a bootstrap interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Metric = Callable[[Floats, Floats, Floats], float]

NUM_BINS: Final = 10
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def contains(self, value: float) -> bool:
        """Says whether the interval contains a value, ends included."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Bins:
    """Rows gathered by predicted ctr: mean prediction, share clicked and weight of each bin `(m,)`."""

    predicted: Floats
    observed: Floats
    weight: Floats


def evaluate(
    clicks: Floats, ctr: Floats, num_resamples: int, rng: np.random.Generator
) -> dict[str, Estimate]:
    """Returns every metric of predictions (n,) of clicks (n,).

    Intervals are of resampled rows (Efron, Tibshirani 1993, chapter 13): percentiles, but for the calibration
    error. Resampling adds to that one the noise it measures, so its interval is reflected at the estimate
    (the basic bootstrap), which cancels the bias. Resamples without a click are drawn again: AUC needs one.
    """
    if not 0 < clicks.sum() < len(clicks):
        raise InvalidInputError(
            "clicks", float(clicks.sum()), f"must be neither none nor all of {len(clicks)} rows"
        )
    samples = [_resample(clicks, rng) for _ in range(num_resamples)]
    ones = np.ones(len(clicks))
    estimates = {}
    for name, metric in METRICS.items():
        value = metric(clicks, ctr, ones)
        low, high = np.quantile([metric(clicks, ctr, weights) for weights in samples], [0.025, 0.975])
        if metric is expected_calibration_error:
            low, high = max(0.0, 2 * value - high), max(0.0, 2 * value - low)
        estimates[name] = Estimate(value, float(low), float(high))
    return estimates


def log_loss(clicks: Floats, ctr: Floats, weights: Floats) -> float:
    """Returns the mean of −[y log p + (1 − y) log(1 − p)]."""
    p = np.clip(ctr, _TINY, 1.0 - _TINY)
    return float(np.average(-np.log(np.where(clicks == 1.0, p, 1.0 - p)), weights=weights))


def normalised_entropy(clicks: Floats, ctr: Floats, weights: Floats) -> float:
    """Returns the log loss over that of the rows' own base rate: below 1 beats the best constant.

    He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook" (ADKDD 2014), equation 3.
    """
    base_rate = np.full_like(ctr, np.average(clicks, weights=weights))
    return log_loss(clicks, ctr, weights) / log_loss(clicks, base_rate, weights)


def auc(clicks: Floats, ctr: Floats, weights: Floats) -> float:
    """Returns the chance that a clicked row is predicted above one that is not, ties counting half."""
    clicked, other = _by_prediction(clicks, ctr, weights)
    below = np.cumsum(other) - other
    return float(clicked @ (below + 0.5 * other) / (clicked.sum() * other.sum()))


def pr_auc(clicks: Floats, ctr: Floats, weights: Floats) -> float:
    """Returns the average precision at the clicked rows; random predictions have the base rate."""
    clicked, other = (column[::-1] for column in _by_prediction(clicks, ctr, weights))
    used = clicked > 0
    hits, shown = np.cumsum(clicked), np.cumsum(clicked + other)
    return float(clicked[used] @ (hits[used] / shown[used]) / clicked.sum())


def expected_calibration_error(clicks: Floats, ctr: Floats, weights: Floats) -> float:
    """Returns Σ_m (n_m / n) |observed_m − predicted_m| over bins of equal counts.

    Naeini, Cooper, Hauskrecht (AAAI 2015), equation 3, there with bins of equal width, which put every row of
    a 1 % click rate into the first one.
    """
    bins = calibration_bins(clicks, ctr, weights)
    return float(bins.weight @ np.abs(bins.observed - bins.predicted) / bins.weight.sum())


def observed_predicted_ratio(clicks: Floats, ctr: Floats, weights: Floats) -> float:
    """Returns clicks over predicted clicks: above 1 the model promises too little."""
    return float(weights @ clicks / (weights @ ctr))


def calibration_bins(clicks: Floats, ctr: Floats, weights: Floats) -> Bins:
    """Gathers rows between the deciles of the predictions; equal predictions share a bin."""
    edges = np.quantile(ctr, np.arange(1, NUM_BINS) / NUM_BINS)
    index = np.searchsorted(edges, ctr, side="right")
    weight, predicted, observed = (
        np.bincount(index, values, NUM_BINS).astype(np.float64)
        for values in (weights, weights * ctr, weights * clicks)
    )
    used = weight > 0
    return Bins(predicted[used] / weight[used], observed[used] / weight[used], weight[used])


def calibration_noise(ctr: Floats) -> float:
    """Returns the expected calibration error that chance alone gives predictions (n,) which are all exact.

    In a bin of n_m rows, observed − predicted is about normal with variance p (1 − p) / n_m, and E|N(0, s²)|
    is s √(2/π).
    """
    ones = np.ones(len(ctr))
    bins = calibration_bins(ctr * (1.0 - ctr), ctr, ones)
    return float(bins.weight @ np.sqrt(2.0 / np.pi * bins.observed / bins.weight) / bins.weight.sum())


METRICS: Final[dict[str, Metric]] = {
    "log_loss": log_loss,
    "normalised_entropy": normalised_entropy,
    "auc": auc,
    "pr_auc": pr_auc,
    "expected_calibration_error": expected_calibration_error,
    "observed_predicted_ratio": observed_predicted_ratio,
}


def _by_prediction(clicks: Floats, ctr: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Returns the weight of clicked and of other rows at each distinct prediction, in increasing order."""
    # In numpy because scikit-learn's checks of its arguments cost 30 times as much, in every resample.
    _, index = np.unique(ctr, return_inverse=True)
    clicked, other = (
        np.bincount(index, w).astype(np.float64) for w in (weights * clicks, weights * (1.0 - clicks))
    )
    return clicked, other


def _resample(clicks: Floats, rng: np.random.Generator) -> Floats:
    num_rows = len(clicks)
    while True:
        weights = np.bincount(rng.integers(num_rows, size=num_rows), minlength=num_rows).astype(np.float64)
        if 0.0 < weights @ clicks < num_rows:
            return weights
