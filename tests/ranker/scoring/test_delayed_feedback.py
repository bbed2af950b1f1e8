"""Conversion rates while conversions are still to come."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from ranker.errors import InvalidInputError
from ranker.scoring.delayed_feedback import (
    DelayedLog,
    fit_exponential_delay,
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
    w, v = fit_exponential_delay(log)
    assert ratio(log, w, rates) == pytest.approx(1.0, abs=0.1)
    assert w == pytest.approx([-1.0, 0.5], abs=0.15)
    assert v == pytest.approx([0.0, 0.0], abs=0.15)
    weighted = fit_importance_weighted(log, lambda ages: 1.0 - np.exp(-ages))
    assert ratio(log, weighted, rates) == pytest.approx(1.0, abs=0.1)


def test_the_unit_of_time_is_free(half):
    log, _ = half
    hours = DelayedLog(log.features[:5000], log.ages[:5000], log.delays[:5000])
    seconds = DelayedLog(hours.features, 3600.0 * hours.ages, 3600.0 * hours.delays)
    (w, v), (other_w, other_v) = fit_exponential_delay(hours), fit_exponential_delay(seconds)
    assert other_w == pytest.approx(w, abs=1e-4)
    assert other_v == pytest.approx(v - [np.log(3600.0), 0.0], abs=1e-4)


def test_where_all_has_come_all_fits_agree(half):
    log, rates = half
    rng = np.random.default_rng(1)
    delays = np.where(rng.random(NUM_ROWS) < rates, rng.exponential(1.0, NUM_ROWS), np.inf)
    done = DelayedLog(log.features, np.full(NUM_ROWS, 100.0), delays)
    naive = fit_naive(done)
    assert fit_exponential_delay(done)[0] == pytest.approx(naive, abs=1e-3)
    assert fit_importance_weighted(done, np.ones_like) == pytest.approx(naive, abs=1e-3)


def test_one_rate_is_solved_by_hand():
    # 100 rows of age ln 2 under unit delays: half of the conversions are seen, 20 are: the rate is 40 %.
    delays = np.where(np.arange(100) < 20, 0.1, np.inf)
    log = DelayedLog(np.ones((100, 1)), np.full(100, np.log(2.0)), delays)
    w = fit_importance_weighted(log, lambda ages: 1.0 - np.exp(-ages), l2=0.0)
    assert expit(w[0]) == pytest.approx(0.4, abs=1e-4)


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
