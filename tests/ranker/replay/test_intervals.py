"""Intervals: what must hold on any rows, then coverage on logs whose value is enumerated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as students_t

from ranker.errors import InvalidInputError
from ranker.replay.estimators import ips, snips
from ranker.replay.intervals import (
    Interval,
    betting_interval,
    betting_ratio_interval,
    bootstrap_interval,
    empirical_bernstein_interval,
    skewed_mean_interval,
)

# Rare rewards, few actions, uniform logging: the target's value is Σ π(a)·ctr(a).
CTR = np.array([0.02, 0.05, 0.01, 0.04])
TARGET = np.array([0.1, 0.7, 0.1, 0.1])
VALUE = float(TARGET @ CTR)
MAX_WEIGHT = 4.0


def _log(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    actions = rng.integers(4, size=n)
    return (rng.random(n) < CTR[actions]).astype(float), TARGET[actions] * 4


def test_constant_terms_give_an_interval_around_the_constant() -> None:
    interval = betting_interval(np.full(500, 0.3), 0.0, 1.0)
    assert 0.3 in interval
    assert interval.high - interval.low < 0.1


def test_no_reward_at_all_still_has_an_upper_end() -> None:
    interval = betting_interval(np.zeros(1000), 0.0, 1.0)
    assert interval.low == 0
    # A bet of c on each row wins until (1 + c·m/(1−m))ⁿ = 2/α: m ≈ log(40)/(0.75·1000) once bets are full.
    assert np.log(40) / 750 < interval.high < 3 * np.log(40) / 750


def test_only_rewards_still_have_a_lower_end() -> None:
    interval = betting_interval(np.ones(1000), 0.0, 1.0)
    assert interval.high == 1
    assert 0.98 < interval.low < 1


def test_shifting_and_scaling_the_terms_does_the_same_to_the_interval() -> None:
    terms = np.random.default_rng(1).random(300)
    plain, moved = betting_interval(terms, 0, 1), betting_interval(4 * terms - 1, -1, 3)
    assert (moved.low, moved.high) == pytest.approx((4 * plain.low - 1, 4 * plain.high - 1), abs=1e-6)


def test_a_higher_level_widens_the_interval() -> None:
    terms = np.random.default_rng(2).random(300)
    narrow, wide = betting_interval(terms, 0, 1, level=0.8), betting_interval(terms, 0, 1, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_with_weights_of_one_the_ratio_interval_is_the_plain_one() -> None:
    rewards = (np.random.default_rng(3).random(400) < 0.2).astype(float)
    plain = betting_interval(rewards, 0, 1)
    ratio = betting_ratio_interval(rewards, np.ones(400), 1.0)
    assert (ratio.low, ratio.high) == pytest.approx((plain.low, plain.high), abs=1e-9)


def test_betting_covers_the_enumerated_value_at_least_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    logs = [_log(rng, 400) for _ in range(200)]
    plain = sum(VALUE in betting_interval(w * r, 0, MAX_WEIGHT) for r, w in logs)
    ratio = sum(VALUE in betting_ratio_interval(r, w, MAX_WEIGHT) for r, w in logs)
    # At 95 %, P(fewer than 181 of 200 cover) < 0.005 (binomial); betting promises at least 95 %.
    assert plain >= 181
    assert ratio >= 181


def test_the_bootstrap_covers_the_enumerated_value_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(12)
    logs = [_log(rng, 1000) for _ in range(80)]
    for estimator in (ips, snips):
        covered = sum(VALUE in bootstrap_interval(estimator, log, rng, num_resamples=150) for log in logs)
        # 95 % of 80 is 76, one standard deviation 1.9; the percentile bootstrap with 150 resamples is
        # expected to lose up to two points (1.6) more. Four deviations below that: 66.
        assert covered >= 66


def test_the_bootstrap_is_reproducible_and_brackets_the_estimate() -> None:
    rewards, weights = _log(np.random.default_rng(5), 3000)
    first = bootstrap_interval(ips, (rewards, weights), np.random.default_rng(9))
    again = bootstrap_interval(ips, (rewards, weights), np.random.default_rng(9))
    assert first == again
    assert ips(rewards, weights) in first


@pytest.mark.parametrize("terms", [np.array([0.1, 1.2]), np.array([-0.1, 0.5]), np.array([np.nan, 0.5])])
def test_terms_outside_their_bounds_are_refused(terms: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match="must lie in"):
        betting_interval(terms, 0, 1)


def test_a_weight_above_its_bound_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="must lie in"):
        betting_ratio_interval(np.zeros(2), np.array([1.0, 5.0]), 4.0)


def test_an_interval_upside_down_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="must not exceed"):
        Interval(2.0, 1.0)


def test_the_empirical_bernstein_interval_by_hand() -> None:
    terms = np.tile([0.0, 1.0], 500)
    found = empirical_bernstein_interval(terms, 0, 1)
    log_term = np.log(4 / 0.05)
    half = np.sqrt(2 * (250 / 999) * log_term / 1000) + 7 * log_term / (3 * 999)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half))


def test_an_empirical_bernstein_interval_needs_two_terms() -> None:
    with pytest.raises(InvalidInputError, match="at least two"):
        empirical_bernstein_interval(np.array([0.5]), 0, 1)


def test_without_skewness_the_interval_of_a_mean_is_students() -> None:
    # −1, 0, 0, 0, 0, 1: s² = (2/6)/5, κ = (2/6)/(2/6)² = 3, so the smaller of 5 and 12/2 degrees of freedom.
    interval = skewed_mean_interval(np.array([-1.0, 0, 0, 0, 0, 1]))
    half = 2.570582 * np.sqrt(2 / 6 / 5)
    assert (interval.low, interval.high) == pytest.approx((-half, half), abs=1e-6)


def test_the_transform_that_takes_skewness_out_is_undone_by_the_interval() -> None:
    values = np.random.default_rng(4).exponential(size=80)
    n, mean = 80, values.mean()
    unit = (values - mean) / values.std()
    interval = skewed_mean_interval(values)
    a, error = (unit**3).mean() / np.sqrt(n), values.std() / np.sqrt(n - 1)
    ends = np.array([(mean - end) / error for end in (interval.high, interval.low)])
    transformed = ends + a * ends**2 / 3 + a**2 * ends**3 / 27 + a / 6
    quantile = students_t.ppf(0.975, min(n - 1, 2 * n / ((unit**4).mean() - 1)))
    assert transformed == pytest.approx([-quantile, quantile])


def test_shifting_scaling_and_mirroring_values_does_the_same_to_their_interval() -> None:
    values = np.random.default_rng(5).exponential(size=60)
    plain, mirrored = skewed_mean_interval(values), skewed_mean_interval(3 - 2 * values)
    assert (mirrored.low, mirrored.high) == pytest.approx((3 - 2 * plain.high, 3 - 2 * plain.low))


@pytest.mark.parametrize(("size", "share", "worth"), [(400, 0.05, 50.0), (1000, 0.02, 20.0)])
def test_intervals_of_means_that_few_values_carry_hold_as_often_as_they_say(
    size: int, share: float, worth: float
) -> None:
    rng = np.random.default_rng(0)
    many = 1500
    held = sum(
        share * worth + 1 - share in skewed_mean_interval(np.where(rng.random(size) < share, worth, 1.0))
        for _ in range(many)
    )
    # Three standard errors of the share, and 1 % for what a count of some twenty leaves over.
    assert abs(held / many - 0.95) < 3 * np.sqrt(0.05 * 0.95 / many) + 0.01


def test_equal_values_have_an_interval_without_width() -> None:
    interval = skewed_mean_interval(np.full(7, 0.1))
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1))


def test_an_interval_of_a_mean_needs_two_values() -> None:
    with pytest.raises(InvalidInputError, match=r"values\.shape = \(1,\)"):
        skewed_mean_interval(np.array([1.0]))
