"""Several logging policies in one log: by hand, then against the enumerated value."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.estimators.multi_logger import balanced_weights, weighted_ips, weighted_multipliers
from ranker.replay.estimators.weighting import ips

CTR = np.array([0.1, 0.3, 0.6])
LOGGERS = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
TARGET = np.array([0.1, 0.2, 0.7])
VALUE = float(TARGET @ CTR)


def test_the_balanced_weight_divides_by_the_mixture() -> None:
    found = balanced_weights(np.array([0.5]), np.array([[0.2, 0.6]]), np.array([3.0, 1.0]))
    np.testing.assert_allclose(found, 0.5 / (0.75 * 0.2 + 0.25 * 0.6))


def test_with_one_logger_both_are_plain_ips() -> None:
    rewards, weights = np.array([1.0, 0.0, 1.0]), np.array([2.0, 0.5, 1.0])
    assert weighted_ips(rewards, weights, np.zeros(3, int)) == pytest.approx(ips(rewards, weights))
    one = balanced_weights(np.array([0.4]), np.array([[0.2]]), np.array([7.0]))
    np.testing.assert_allclose(one, 2.0)


def test_precision_weights_by_hand() -> None:
    # variances 1 and 4, two rows each: 4 / (1·(2/1 + 2/4)) = 1.6 and 4 / (4·2.5) = 0.4
    found = weighted_multipliers(np.array([0.0, 2.0, 0.0, 4.0]), np.array([5, 5, 9, 9]))
    np.testing.assert_allclose(found, [1.6, 1.6, 0.4, 0.4])


def test_both_find_the_value_and_vary_less_than_plain_weights() -> None:
    rng = np.random.default_rng(1)
    found = {"plain": [], "balanced": [], "weighted": []}
    for _ in range(200):
        logger = np.repeat([0, 1], 500)
        action = (rng.random(1000)[:, None] > np.cumsum(LOGGERS[logger], axis=1)).sum(1)
        reward = (rng.random(1000) < CTR[action]).astype(float)
        weight = TARGET[action] / LOGGERS[logger, action]
        balanced = balanced_weights(TARGET[action], LOGGERS[:, action].T, np.array([500.0, 500.0]))
        found["plain"].append(ips(reward, weight))
        found["balanced"].append(ips(reward, balanced))
        found["weighted"].append(weighted_ips(reward, weight, logger))
    spread = {name: np.std(values) for name, values in found.items()}
    for name in ("plain", "balanced"):
        assert np.mean(found[name]) == pytest.approx(VALUE, abs=4 * spread[name] / np.sqrt(200))
    # Fitting the precisions on the same rows costs a bias of the order 1/n, here below 1 %.
    assert np.mean(found["weighted"]) == pytest.approx(VALUE, rel=0.02)
    assert spread["balanced"] < spread["plain"]
    assert spread["weighted"] < spread["plain"]


@pytest.mark.parametrize(
    ("target", "loggers", "counts", "field"),
    [
        (np.ones(2), np.ones((2, 2)), np.ones(3), "loggers.shape"),
        (np.ones(3), np.ones((2, 2)), np.ones(2), "target.shape"),
        (np.ones(2), np.ones((2, 2)), np.zeros(2), "counts"),
        (np.ones(2), np.array([[0.5, 0.5], [0.0, 0.0]]), np.ones(2), "loggers[1]"),
    ],
)
def test_a_broken_mixture_of_loggers_is_named(
    target: np.ndarray, loggers: np.ndarray, counts: np.ndarray, field: str
) -> None:
    with pytest.raises(InvalidInputError) as error:
        balanced_weights(target, loggers, counts)
    assert error.value.field == field


def test_a_logger_whose_terms_do_not_vary_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"loggers\[4\]"):
        weighted_ips(np.array([1.0, 0.0, 0.0, 0.0]), np.ones(4), np.array([2, 2, 4, 4]))
