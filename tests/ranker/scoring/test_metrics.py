from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ranker.errors import InvalidInputError
from ranker.scoring import metrics
from ranker.scoring.metrics import Estimate, calibration_bins, calibration_noise, evaluate

CLICKS = np.array([1.0, 0.0, 0.0, 1.0])
CTR = np.array([0.8, 0.4, 0.2, 0.4])
ONES = np.ones(4)
ENTROPY = np.log(2.0)  # of the base rate 1/2


def test_every_metric_by_hand() -> None:
    loss = -np.log([0.8, 0.6, 0.8, 0.4]).mean()
    assert metrics.log_loss(CLICKS, CTR, ONES) == pytest.approx(loss)
    assert metrics.normalised_entropy(CLICKS, CTR, ONES) == pytest.approx(loss / ENTROPY)
    # Pairs of a click and a non-click: 0.8 beats both, 0.4 ties one and beats the other.
    assert metrics.auc(CLICKS, CTR, ONES) == pytest.approx(3.5 / 4)
    # Precision 1 at recall 1/2, then 2/3 at recall 1.
    assert metrics.pr_auc(CLICKS, CTR, ONES) == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)
    assert metrics.observed_predicted_ratio(CLICKS, CTR, ONES) == pytest.approx(2.0 / 1.8)
    # Bins {0.2}, {0.4, 0.4} and {0.8}: gaps 0.2, 0.1 and 0.2 with weights 1, 2 and 1.
    assert metrics.expected_calibration_error(CLICKS, CTR, ONES) == pytest.approx((0.2 + 2 * 0.1 + 0.2) / 4)


def test_areas_equal_scikit_learn_s_ties_and_weights_included() -> None:
    rng = np.random.default_rng(3)
    ctr = rng.integers(1, 20, 300) / 40
    clicks, weights = (rng.random(300) < ctr).astype(float), rng.integers(0, 3, 300).astype(float)
    assert metrics.auc(clicks, ctr, weights) == pytest.approx(
        roc_auc_score(clicks, ctr, sample_weight=weights)
    )
    area = average_precision_score(clicks, ctr, sample_weight=weights)
    assert metrics.pr_auc(clicks, ctr, weights) == pytest.approx(area)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_a_weight_of_two_is_a_row_twice(name: str) -> None:
    twice = np.array([0, 1, 1, 2, 3, 3])
    metric = metrics.METRICS[name]
    rows = metric(CLICKS[twice], CTR[twice], np.ones(6))
    assert metric(CLICKS, CTR, np.array([1.0, 2.0, 1.0, 2.0])) == pytest.approx(rows)


def test_equal_predictions_share_a_bin_whatever_the_order_of_rows() -> None:
    clicks = (np.arange(1000) < 30).astype(np.float64)
    bins = calibration_bins(clicks, np.full(1000, 0.03), np.ones(1000))
    assert bins.predicted == pytest.approx([0.03])
    assert bins.observed == pytest.approx([0.03])
    assert bins.weight.tolist() == [1000.0]


def test_bins_have_equal_counts() -> None:
    ctr = np.random.default_rng(0).random(1000) ** 3
    assert calibration_bins(ctr, ctr, np.ones(1000)).weight.tolist() == [100.0] * 10


def test_exact_predictions_err_by_chance_as_much_as_foreseen() -> None:
    # The error of one draw is the mean of ten half-normal terms, of relative deviation √(π/2 − 1) / √10 or
    # 0.24, a little more as bins differ; the mean of 100 draws is within 4 · 0.028 < 0.12 of its expectation.
    rng = np.random.default_rng(0)
    ctr = rng.uniform(0.02, 0.2, 5000)
    ones = np.ones(5000)
    draws = [
        metrics.expected_calibration_error((rng.random(5000) < ctr).astype(float), ctr, ones)
        for _ in range(100)
    ]
    assert np.mean(draws) == pytest.approx(calibration_noise(ctr), rel=0.12)


def test_intervals_agree_with_the_central_limit_theorem() -> None:
    rng = np.random.default_rng(1)
    ctr = rng.uniform(0.1, 0.5, 300)
    clicks = (rng.random(300) < ctr).astype(float)
    estimate = evaluate(clicks, ctr, 2000, rng)["log_loss"]
    losses = np.where(clicks == 1.0, -np.log(ctr), -np.log(1 - ctr))
    half = 1.96 * losses.std() / np.sqrt(300)
    # A 2.5 % quantile of 2000 draws has deviation √(q (1 − q) / 2000) / φ(1.96) = 0.060 σ, 3.1 % of 1.96 σ.
    # Allow 4 of them.
    assert estimate.value == pytest.approx(losses.mean())
    assert estimate.low == pytest.approx(losses.mean() - half, abs=0.13 * half)
    assert estimate.high == pytest.approx(losses.mean() + half, abs=0.13 * half)


def test_every_interval_is_ordered_and_the_calibration_error_s_is_not_biased_upwards() -> None:
    rng = np.random.default_rng(2)
    ctr = rng.uniform(0.02, 0.3, 3000)
    estimates = evaluate((rng.random(3000) < ctr).astype(float), ctr, 200, rng)
    assert list(estimates) == list(metrics.METRICS)
    assert all(0.0 <= estimate.low <= estimate.high for estimate in estimates.values())
    # The middle of percentiles would lie above the estimate: resampling adds its own noise.
    error = estimates["expected_calibration_error"]
    assert (error.low + error.high) / 2 < error.value


def test_resamples_have_a_click_even_where_clicks_are_few() -> None:
    clicks = (np.arange(50) < 1).astype(float)
    estimates = evaluate(clicks, np.linspace(0.01, 0.3, 50), 50, np.random.default_rng(0))
    assert estimates["auc"].high == 0.0


def test_an_estimate_contains_what_lies_between_its_ends() -> None:
    estimate = Estimate(0.6, 0.5, 0.7)
    assert estimate.contains(0.5)
    assert not estimate.contains(0.49)
    assert not estimate.contains(0.71)


@pytest.mark.parametrize("clicks", [np.zeros(4), ONES])
def test_rows_of_one_kind_are_refused(clicks: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match="clicks = "):
        evaluate(clicks, CTR, 10, np.random.default_rng(0))
