"""Propensities that were not those of the log are noticed."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.logged_batch import LoggedBatch
from ranker.replay.propensity_check import check_propensities, inverse_sums

CHANCES = np.array([0.5, 0.3, 0.2])


def _batch(
    actions: np.ndarray, propensities: np.ndarray, names: tuple[str, ...] = ("a", "b", "c")
) -> LoggedBatch:
    n = len(actions)
    zero = np.zeros(n, np.int64)
    return LoggedBatch(actions, np.zeros(n), propensities, zero, zero, np.arange(n), {}, names)


def _drawn(seed: int, n: int = 4000) -> np.ndarray:
    return np.random.default_rng(seed).choice(3, n, p=CHANCES)


def test_by_hand_the_mean_inverse_of_what_was_drawn_half_the_time_with_one_half_is_one() -> None:
    actions = np.array([0, 1] * 50)
    found = check_propensities(inverse_sums([_batch(actions, np.full(100, 0.5))]))
    np.testing.assert_allclose(found.mean_inverse, [1.0, 1.0])
    assert (found.num_checked, found.believable) == (2, True)


def test_true_propensities_are_believed_about_as_often_as_promised() -> None:
    believed = 0
    for seed in range(100):
        actions = _drawn(seed, 1000)
        believed += check_propensities(inverse_sums([_batch(actions, CHANCES[actions])])).believable
    # At level 99 %: 1 in 100 is doubted; P(more than 5) < 0.001 (binomial).
    assert believed >= 95


def test_propensities_that_are_too_small_are_not_believed_and_the_action_is_named() -> None:
    actions = _drawn(1)
    wrong = np.where(actions == 2, 0.1, CHANCES[actions])
    found = check_propensities(inverse_sums([_batch(actions, wrong)]))
    assert not found.believable
    assert (found.worst_action, found.num_too_small) == ("c", 1)


def test_an_action_that_is_not_always_eligible_is_no_reason_for_doubt() -> None:
    actions = _drawn(2)
    actions[:2000] = np.where(actions[:2000] == 2, 0, actions[:2000])  # c is not there in the first half
    propensities = CHANCES[actions]
    propensities[:2000] = np.where(actions[:2000] == 0, 0.7, 0.3)
    assert check_propensities(inverse_sums([_batch(actions, propensities)])).believable


def test_batches_that_learn_new_names_add_up() -> None:
    first = _batch(np.zeros(40, np.int64), np.full(40, 0.5), ("a",))
    second = _batch(np.ones(40, np.int64), np.full(40, 0.5), ("a", "b"))
    found = inverse_sums([first, second])
    np.testing.assert_array_equal(found.draws, [[40], [40]])
    assert found.action_names == ("a", "b")


def test_few_draws_tell_nothing() -> None:
    assert (
        check_propensities(inverse_sums([_batch(np.zeros(5, np.int64), np.full(5, 0.01))])).num_checked == 0
    )


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no usable row"):
        inverse_sums([])
