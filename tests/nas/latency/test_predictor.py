import numpy as np
import pytest

from nas.errors import SearchError
from nas.latency.predictor import LatencyPredictor, PredictorSettings, fit_predictor

PRICES = np.array([1.0, 0.2, 2.0, 0.0, 0.5, 3.0])


def models(num: int, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, (num, 6)).astype(float)
    return counts, (1.0 + counts @ PRICES) * np.exp(noise * rng.normal(size=num))


def test_intervals_by_hand() -> None:
    predictor = LatencyPredictor(
        lambda counts: counts[:, 0], np.log([1.1, 1.2, 1.3, 1.5]), residual_used=False
    )
    low, high = predictor.interval(np.array([[6.0]]), level=0.8)
    # ⌈.8 · 5⌉ = 4: the fourth score.
    np.testing.assert_allclose([low[0], high[0]], [4.0, 9.0])
    np.testing.assert_allclose(predictor.upper(np.array([[6.0]]), level=0.6), 6.0 * 1.3)


def test_intervals_cover_at_their_level() -> None:
    covered = []
    for seed in range(40):
        counts, latency = models(560, seed, noise=0.05)
        fitted = fit_predictor(
            counts[:60], latency[:60], np.random.default_rng(seed), PredictorSettings(residual=None)
        )
        low, high = fitted.interval(counts[60:])
        covered.append(((low <= latency[60:]) & (latency[60:] <= high)).mean())
    # A run's coverage varies by √(.9·.1/60) ≈ .04 with its 60 scores: .006 for the mean of 40, four of them.
    assert abs(np.mean(covered) - 0.9) < 0.025


def test_the_residual_is_used_where_latency_is_no_sum() -> None:
    counts, latency = models(150, 1, noise=0.01)
    rng = np.random.default_rng(2)
    assert not fit_predictor(counts, latency, rng).residual_used
    fused = latency * np.where((counts[:, 0] > 1) & (counts[:, 2] > 1), 0.5, 1.0)
    assert fit_predictor(counts, fused, rng).residual_used


def test_too_few_measurements_are_refused() -> None:
    counts, latency = models(12, 1, noise=0.0)
    with pytest.raises(SearchError, match=r"len\(latency\) = 12"):
        fit_predictor(counts, latency, np.random.default_rng(1))
    fitted = fit_predictor(
        counts, latency, np.random.default_rng(1), PredictorSettings(folds=4, residual=None)
    )
    with pytest.raises(SearchError, match=r"level = 0.99: needs more than 12"):
        fitted.upper(counts, level=0.99)
    with pytest.raises(SearchError, match=r"level = 1\.0"):
        fitted.upper(counts, level=1.0)
    with pytest.raises(SearchError, match="folds = 1"):
        PredictorSettings(folds=1)
