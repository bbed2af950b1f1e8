"""Plackett–Luce by hand, then against enumeration of every slate."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.estimators.plackett_luce import (
    cascade_propensities,
    position_marginals_by_integral,
    position_marginals_by_subsets,
    position_propensities,
)


def _enumerated(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """All slates of one request with their chances, multiplied out term by term."""
    weights = np.exp(scores)
    slates = np.array(list(permutations(range(scores.size), k)))
    chances = []
    for slate in slates:
        left, chance = weights.sum(), 1.0
        for item in slate:
            chance *= weights[item] / left
            left -= weights[item]
        chances.append(chance)
    return slates, np.array(chances)


def test_by_hand_the_second_item_is_drawn_among_those_left() -> None:
    scores = np.log([[1.0, 2.0, 3.0]])
    found = cascade_propensities(scores, np.array([[2, 0]]))
    np.testing.assert_allclose(found, [[1 / 2, 1 / 2 * 1 / 3]])


def test_slates_beginnings_and_marginals_agree_with_enumeration() -> None:
    rng = np.random.default_rng(1)
    for num_items, k in ((3, 3), (5, 3), (6, 2), (4, 1)):
        scores = rng.normal(scale=2, size=num_items)
        slates, chances = _enumerated(scores, k)
        found = cascade_propensities(np.tile(scores, (len(slates), 1)), slates)
        np.testing.assert_allclose(found[:, -1], chances, rtol=1e-12)
        for j in range(k):
            beginning = [chances[(slates[:, : j + 1] == s[: j + 1]).all(1)].sum() for s in slates]
            np.testing.assert_allclose(found[:, j], beginning, rtol=1e-12)
        exact = np.array([[chances[slates[:, j] == a].sum() for j in range(k)] for a in range(num_items)])
        np.testing.assert_allclose(position_marginals_by_subsets(scores[None], k)[0], exact, atol=1e-14)
        integral, bound = position_marginals_by_integral(scores[None], k)
        np.testing.assert_allclose(integral[0], exact, atol=1e-12)
        assert np.abs(integral[0] - exact).max() <= bound[0] + 1e-14


def test_the_integral_holds_its_bound_where_enumeration_is_out_of_reach() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(scale=1.5, size=(1, 40))
    exact = position_marginals_by_subsets(scores, 3)
    found, bound = position_marginals_by_integral(scores, 3)
    assert bound[0] < 1e-6
    assert np.abs(found - exact).max() <= bound[0] + 1e-13
    many, _ = position_marginals_by_integral(rng.normal(size=(1, 60)), 8)
    np.testing.assert_allclose(many.sum(axis=1), 1, atol=1e-10)


def test_an_item_far_ahead_does_not_cancel_the_others() -> None:
    found = cascade_propensities(np.array([[40.0, 0.0, 0.0]]), np.array([[0, 1, 2]]))
    np.testing.assert_allclose(found[0], [1, 0.5, 0.5], rtol=1e-12)
    marginals = position_marginals_by_subsets(np.array([[40.0, 0.0, 0.0]]), 2)
    np.testing.assert_allclose(marginals[0, 1:, 1], 0.5, rtol=1e-12)


def test_the_propensity_of_a_position_is_read_from_the_marginals_of_either_way() -> None:
    scores = np.random.default_rng(3).normal(size=(4, 30))
    slates = np.argsort(-scores, axis=1)[:, :5]  # 5 of 30: too many subsets
    by_integral = position_propensities(scores, slates)
    marginals = position_marginals_by_subsets(scores, 5)
    expected = np.take_along_axis(marginals, slates[:, None, :], axis=1)[:, 0]
    np.testing.assert_allclose(by_integral, expected, atol=1e-11)


@pytest.mark.parametrize(
    ("scores", "slates", "field"),
    [
        (np.zeros((1, 3)), np.array([[0, 0]]), "slates[0]"),
        (np.zeros((1, 3)), np.array([[0, 3]]), "slates"),
        (np.zeros((1, 3)), np.array([[0, 1], [1, 0]]), "slates.shape"),
        (np.zeros((1, 0)), np.array([[0]]), "scores.shape"),
        (np.array([[0.0, np.nan]]), np.array([[0]]), "scores[0, 1]"),
        (np.array([[0.0, -800.0]]), np.array([[0]]), "scores"),
    ],
)
def test_a_broken_slate_or_score_is_named(scores: np.ndarray, slates: np.ndarray, field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        cascade_propensities(scores, slates)
    assert error.value.field == field


def test_more_positions_than_items_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="num_positions"):
        position_marginals_by_subsets(np.zeros((1, 3)), 4)
