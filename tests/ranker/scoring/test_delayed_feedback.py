"""Conversion rates while conversions are still to come."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.sparse import csr_array
from scipy.special import expit

from ranker.errors import InvalidInputError
from ranker.scoring.delayed_feedback import (
    DelayedLog,
    _DelayLoss,
    fit_delay,
    fit_importance_weighted,
    fit_naive,
)

NUM_ROWS = 40_000


@pytest.fixture(scope="module")
def half():
    """Returns a log of two features whose conversions, of mean delay 1, have come by half, and its rates."""
    rng = np.random.default_rng(0)
    features = np.column_stack([np.ones(NUM_ROWS), rng.normal(size=NUM_ROWS)])
    rates = expit(features @ [-1.0, 0.5])
    ages, delays = rng.exponential(1.0, NUM_ROWS), rng.exponential(1.0, NUM_ROWS)
    seen = (rng.random(NUM_ROWS) < rates) & (delays <= ages)
    return DelayedLog(features, ages, np.where(seen, delays, np.inf)), rates


def ratio(log, w, rates):
    return expit(log.features @ w).mean() / rates.mean()


def test_the_naive_fit_learns_half_the_truth_and_both_others_the_truth(half):
    log, rates = half
    # About 5,600 conversions are seen: 1/√5600 = 1.3 % is one standard error of the mean rate; the corrected
    # fits know less than that of each. Five of 2 %.
    assert ratio(log, fit_naive(log), rates) == pytest.approx(0.5, abs=0.07)
    fit = fit_delay(log, num_pieces=1)
    assert ratio(log, fit.weights, rates) == pytest.approx(1.0, abs=0.1)
    assert fit.weights == pytest.approx([-1.0, 0.5], abs=0.15)
    assert fit.speed_weights == pytest.approx([0.0, 0.0], abs=0.15)
    assert ratio(log, fit_delay(log).weights, rates) == pytest.approx(1.0, abs=0.1)
    weighted = fit_importance_weighted(log, lambda ages: 1.0 - np.exp(-ages))
    assert ratio(log, weighted, rates) == pytest.approx(1.0, abs=0.1)


def test_the_unit_of_time_is_free(half):
    log, _ = half
    hours = DelayedLog(log.features[:5000], log.ages[:5000], log.delays[:5000])
    seconds = DelayedLog(hours.features, 3600.0 * hours.ages, 3600.0 * hours.delays)
    fit, other = fit_delay(hours, num_pieces=3), fit_delay(seconds, num_pieces=3)
    assert other.weights == pytest.approx(fit.weights, abs=1e-4)
    assert other.speed_weights == pytest.approx(fit.speed_weights - [np.log(3600.0), 0.0], abs=1e-4)
    assert other.starts == pytest.approx(3600.0 * fit.starts)
    assert other.completion(seconds.features, seconds.ages) == pytest.approx(
        fit.completion(hours.features, hours.ages), abs=1e-4
    )


def test_where_all_has_come_all_fits_agree(half):
    log, rates = half
    rng = np.random.default_rng(1)
    delays = np.where(rng.random(NUM_ROWS) < rates, rng.exponential(1.0, NUM_ROWS), np.inf)
    done = DelayedLog(log.features, np.full(NUM_ROWS, 100.0), delays)
    naive = fit_naive(done)
    assert fit_delay(done).weights == pytest.approx(naive, abs=1e-3)
    assert fit_importance_weighted(done, np.ones_like) == pytest.approx(naive, abs=1e-3)


def test_one_rate_is_solved_by_hand():
    # 100 rows of age ln 2 under unit delays: half of the conversions are seen, 20 are: the rate is 40 %.
    delays = np.where(np.arange(100) < 20, 0.1, np.inf)
    log = DelayedLog(np.ones((100, 1)), np.full(100, np.log(2.0)), delays)
    w = fit_importance_weighted(log, lambda ages: 1.0 - np.exp(-ages), l2=0.0)
    assert expit(w[0]) == pytest.approx(0.4, abs=1e-4)


def test_hazards_of_two_pieces_are_found():
    # Up to time 1 conversions come at rate 2, then at rate 1/4; half of all rows convert.
    rng = np.random.default_rng(2)
    passed = rng.exponential(size=NUM_ROWS)
    delays = np.where(passed < 2.0, passed / 2.0, 1.0 + 4.0 * (passed - 2.0))
    ages = rng.uniform(0.0, 20.0, NUM_ROWS)
    seen = (rng.random(NUM_ROWS) < 0.5) & (delays <= ages)
    log = DelayedLog(np.ones((NUM_ROWS, 1)), ages, np.where(seen, delays, np.inf))
    fit = fit_delay(log, num_pieces=8)
    assert expit(fit.weights[0]) == pytest.approx(0.5, abs=0.02)
    ages = np.array([0.25, 1.0, 5.0])
    # 1 − exp(−H) at H = 1/2, 2 and 3; a binomial share of 20,000 conversions, and pieces that straddle 1.
    expected = -np.expm1([-0.5, -2.0, -3.0])
    assert fit.completion(np.ones((3, 1)), ages) == pytest.approx(expected, abs=0.03)


def test_what_comes_after_the_window_does_not_count():
    rng = np.random.default_rng(4)
    ages, delays = rng.exponential(1.0, NUM_ROWS), rng.exponential(1.0, NUM_ROWS)
    seen = (rng.random(NUM_ROWS) < 0.5) & (delays <= np.minimum(ages, 1.5))
    log = DelayedLog(np.ones((NUM_ROWS, 1)), ages, np.where(seen, delays, np.inf), window=1.5)
    fit = fit_delay(log, num_pieces=4)
    # About 8,400 conversions are seen: 1.1 % is one standard error, somewhat more with the delays unknown.
    assert expit(fit.weights[0]) == pytest.approx(0.5 * -np.expm1(-1.5), rel=0.06)
    half = fit.completion(np.ones((3, 1)), np.array([0.5, 1.5, 9.0]))
    assert half == pytest.approx([np.expm1(-0.5) / np.expm1(-1.5), 1.0, 1.0], abs=0.03)


@pytest.mark.parametrize("window", [np.inf, 2.5])
def test_the_gradient_of_the_delays_equals_finite_differences(window):
    rng = np.random.default_rng(0)
    features = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    ages = rng.exponential(2.0, 60)
    delays = np.where(rng.random(60) < 0.5, rng.random(60) * np.minimum(ages, window), np.inf)
    loss = _DelayLoss(DelayedLog(features, ages, delays, window), np.array([0.0, 0.3, 0.8]), 1.3, 0.1)
    at = rng.normal(0.0, 0.7, 8)
    # Forward differences of a loss around 1 with curvature around 1 err by about 1e-7.
    np.testing.assert_allclose(loss(at)[1], approx_fprime(at, lambda p: loss(p)[0], 1e-7), atol=2e-6)


@pytest.mark.parametrize(("window", "field"), [(0.0, "window"), (np.nan, "window"), (0.5, "delays[0]")])
def test_a_window_that_cannot_be_is_refused(window, field):
    with pytest.raises(InvalidInputError) as refused:
        DelayedLog(np.ones((1, 1)), np.ones(1), np.array([0.9]), window)
    assert refused.value.field == field


def test_sparse_features_give_the_same_fit(half):
    log, _ = half
    few = DelayedLog(log.features[:5000], log.ages[:5000], log.delays[:5000])
    sparse = DelayedLog(csr_array(few.features), few.ages, few.delays)
    assert fit_delay(sparse).weights == pytest.approx(fit_delay(few).weights, abs=1e-5)


@pytest.mark.parametrize("num_seen", [0, 50])
def test_no_conversion_or_only_conversions_are_no_error(num_seen):
    delays = np.where(np.arange(50) < num_seen, 0.5, np.inf)
    fit = fit_delay(DelayedLog(np.ones((50, 1)), np.ones(50), delays))
    assert np.isfinite(fit.completion(np.ones((1, 1)), np.ones(1))).all()


def test_without_pieces_there_is_no_fit(half):
    with pytest.raises(InvalidInputError, match="num_pieces"):
        fit_delay(half[0], num_pieces=0)


def test_the_intercept_is_the_first_feature():
    with pytest.raises(InvalidInputError) as refused:
        DelayedLog(np.array([[1.0], [2.0]]), np.ones(2), np.full(2, np.inf))
    assert refused.value.field == "features[:, 0]"


@pytest.mark.parametrize(
    ("ages", "delays", "field"),
    [
        ([1.0], [2.0], "delays[0]"),
        ([1.0], [-0.5], "delays[0]"),
        ([1.0], [np.nan], "delays[0]"),
        ([-1.0], [np.inf], "ages[0]"),
        ([np.inf], [np.inf], "ages[0]"),
        ([1.0, 2.0], [np.inf], "ages.shape"),
    ],
)
def test_what_is_no_log_is_refused(ages, delays, field):
    with pytest.raises(InvalidInputError) as refused:
        DelayedLog(np.ones((1, 1)), np.array(ages), np.array(delays))
    assert refused.value.field == field
