from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from ranker.scoring.calibration import Calibration, fit_calibration


def two_groups(clicked: tuple[int, int], of: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits −1 and 1, each `of` times, of which so many clicked."""
    logits = np.repeat([-1.0, 1.0], of)
    clicks = np.concatenate([np.arange(of) < number for number in clicked]).astype(np.float64)
    return logits, clicks


def test_slope_and_shift_by_hand() -> None:
    # Two groups, two parameters: σ(−a + b) = 0.2 and σ(a + b) = 0.6 exactly.
    logits, clicks = two_groups((20, 60), of=100)
    calibration = fit_calibration(logits, clicks, prior_deviation=1e6)
    assert calibration.scale == pytest.approx((logit(0.6) - logit(0.2)) / 2, abs=1e-5)
    assert calibration.shift == pytest.approx((logit(0.6) + logit(0.2)) / 2, abs=1e-5)


def test_the_prior_by_hand() -> None:
    # Equal logits leave the slope at 1; the shift b solves Σ (σ(z + b) − y) + b / 0.3² = 0.
    logits, clicks = np.full(40, -2.0), (np.arange(40) < 10).astype(np.float64)
    calibration = fit_calibration(logits, clicks)
    assert calibration.scale == pytest.approx(1.0, abs=1e-6)
    shift = calibration.shift
    assert 40 * expit(-2.0 + shift) - 10 + shift / 0.3**2 == pytest.approx(0.0, abs=1e-4)
    assert 0.0 < shift < logit(0.25) + 2.0


def test_few_clicks_hardly_move_a_model_and_many_do() -> None:
    logits = np.full(2000, logit(0.005))
    few = fit_calibration(logits, (np.arange(2000) < 5).astype(np.float64))
    assert expit(few.apply(logits))[0] == pytest.approx(0.005, rel=0.25)
    many = fit_calibration(np.tile(logits, 200), (np.arange(400_000) < 1000).astype(np.float64))
    assert expit(many.apply(logits))[0] == pytest.approx(0.0025, rel=0.02)


def test_a_ranking_is_never_turned_round() -> None:
    logits, clicks = two_groups((90, 10), of=100)
    assert fit_calibration(logits, clicks).scale == 0.0


def test_applying_is_affine() -> None:
    assert Calibration(2.0, 0.5).apply(np.array([1.0, -1.0])).tolist() == [2.5, -1.5]
