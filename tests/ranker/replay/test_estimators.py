"""The estimators by hand, then against the exact value of an enumerated logged bandit."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.estimators import dr, dr_terms, ips, snips

REWARDS = np.array([1.0, 0.0, 1.0, 0.0])
WEIGHTS = np.array([2.0, 0.5, 0.0, 1.0])


def test_ips_is_the_mean_of_weighted_rewards() -> None:
    assert ips(REWARDS, WEIGHTS) == 0.5  # (2·1 + 0 + 0 + 0) / 4


def test_snips_divides_by_the_sum_of_weights() -> None:
    assert snips(REWARDS, WEIGHTS) == 2 / 3.5


def test_dr_corrects_the_baseline_by_its_residuals() -> None:
    logged, target = np.full(4, 0.5), np.full(4, 0.25)
    # 0.25 + (2·0.5 − 0.5·0.5 + 0·0.5 − 1·0.5) / 4
    assert dr(REWARDS, WEIGHTS, logged, target) == 0.25 + 0.25 / 4


def test_dr_with_a_baseline_of_zero_is_ips() -> None:
    zero = np.zeros(4)
    np.testing.assert_array_equal(dr_terms(REWARDS, WEIGHTS, zero, zero), WEIGHTS * REWARDS)


def test_equal_policies_give_the_mean_reward_whatever_the_estimator() -> None:
    ones = np.ones(4)
    assert ips(REWARDS, ones) == snips(REWARDS, ones) == REWARDS.mean()


# A bandit with 3 equally likely contexts and 4 actions: everything can be enumerated.
CTR = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.1, 0.2], [0.2, 0.5, 0.3, 0.1]])
LOGGING = np.array([[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]])
TARGET = np.array([[0.1, 0.1, 0.1, 0.7], [0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]])
VALUE = float((TARGET * CTR).sum() / 3)


@pytest.mark.parametrize("baseline", [CTR * 0, CTR, CTR[::-1] * 0.5])
def test_dr_is_exact_in_expectation_whatever_the_baseline(baseline: np.ndarray) -> None:
    weights = TARGET / LOGGING
    target = np.broadcast_to((TARGET * baseline).sum(1, keepdims=True), CTR.shape)
    expected = 0.0
    for reward, chance in ((0.0, 1 - CTR), (1.0, CTR)):
        rewards = np.full(CTR.size, reward)
        terms = dr_terms(rewards, weights.ravel(), baseline.ravel(), target.ravel())
        expected += float((LOGGING.ravel() * chance.ravel() * terms).sum() / 3)
    assert expected == pytest.approx(VALUE, abs=1e-12)


def test_every_estimator_finds_the_enumerated_value_in_a_long_log() -> None:
    rng = np.random.default_rng(7)
    n = 200_000
    contexts = rng.integers(3, size=n)
    actions = (rng.random(n)[:, None] > np.cumsum(LOGGING[contexts], axis=1)).sum(1)
    rewards = (rng.random(n) < CTR[contexts, actions]).astype(float)
    weights = TARGET[contexts, actions] / LOGGING[contexts, actions]
    baseline = np.full(CTR.shape, 0.2)
    target = (TARGET[contexts] * baseline[contexts]).sum(1)
    # A term w·r has standard deviation ≤ √(E w²r) ≤ √(7·E wr) < 1.7; four standard errors of 200,000 rows.
    tolerance = 4 * 1.7 / np.sqrt(n)
    assert ips(rewards, weights) == pytest.approx(VALUE, abs=tolerance)
    assert snips(rewards, weights) == pytest.approx(VALUE, abs=tolerance)
    assert dr(rewards, weights, baseline[contexts, actions], target) == pytest.approx(VALUE, abs=tolerance)


@pytest.mark.parametrize(
    ("rewards", "weights", "field"),
    [
        (np.empty(0), np.empty(0), "rewards.shape"),
        (np.zeros((2, 2)), np.zeros((2, 2)), "rewards.shape"),
        (np.zeros(3), np.ones(2), "weights.shape"),
        (np.array([0.0, np.nan]), np.ones(2), "rewards[1]"),
        (np.zeros(2), np.array([np.inf, 1.0]), "weights[0]"),
        (np.zeros(2), np.array([1.0, -0.5]), "weights[1]"),
    ],
)
def test_a_broken_row_is_named(rewards: np.ndarray, weights: np.ndarray, field: str) -> None:
    for estimator in (ips, snips):
        with pytest.raises(InvalidInputError) as error:
            estimator(rewards, weights)
        assert error.value.field == field


def test_a_baseline_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"baseline_target\.shape"):
        dr(REWARDS, WEIGHTS, REWARDS, np.zeros(3))


def test_snips_refuses_a_log_that_never_does_what_the_target_does() -> None:
    with pytest.raises(InvalidInputError, match="never does"):
        snips(REWARDS, np.zeros(4))
