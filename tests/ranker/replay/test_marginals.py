"""Marginals by hand, then against enumeration of every slate."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.marginals import cascade_propensities, pair_marginals, position_marginals

SLATES = np.array([[0, 1], [0, 2]])
SHARES = np.array([0.75, 0.25])


def test_without_exploration_the_marginals_are_the_mixture() -> None:
    np.testing.assert_array_equal(
        position_marginals(SLATES, SHARES, 3, 0.0), [[1.0, 0.0], [0.0, 0.75], [0.0, 0.25]]
    )


def test_exploration_alone_is_uniform() -> None:
    np.testing.assert_allclose(position_marginals(SLATES, SHARES, 4, 1.0), np.full((4, 2), 0.25))


def test_a_repeated_slate_adds_up() -> None:
    repeated = position_marginals(SLATES[[0, 0, 1]], np.array([0.5, 0.25, 0.25]), 3, 0.1)
    np.testing.assert_allclose(repeated, position_marginals(SLATES, SHARES, 3, 0.1), atol=1e-15)


def test_the_marginals_agree_with_enumerating_every_slate() -> None:
    rng = np.random.default_rng(3)
    everything = np.array(list(permutations(range(5), 3)))
    slates = everything[rng.choice(len(everything), size=4, replace=False)]
    shares = rng.dirichlet(np.ones(4))
    chance = np.full(len(everything), 0.2 / len(everything))
    for slate, share in zip(slates, shares, strict=True):
        chance[(everything == slate).all(1)] += 0.8 * share
    exact = np.array([[chance[everything[:, j] == i].sum() for j in range(3)] for i in range(5)])
    found = position_marginals(slates, shares, 5, 0.2)
    np.testing.assert_allclose(found, exact, atol=1e-14)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-14)


@pytest.mark.parametrize(
    ("slates", "shares", "n", "ratio", "field"),
    [
        (SLATES, np.ones(3) / 3, 3, 0.1, "probabilities.shape"),
        (SLATES[0], SHARES, 3, 0.1, "probabilities.shape"),
        (SLATES, np.array([0.5, 0.4]), 3, 0.1, "probabilities"),
        (SLATES, np.array([1.5, -0.5]), 3, 0.1, "probabilities"),
        (SLATES, SHARES, 2, 0.1, "slates"),
        (-SLATES, SHARES, 3, 0.1, "slates"),
        (SLATES, SHARES, 3, 1.1, "exploration_ratio"),
    ],
)
def test_a_broken_mixture_is_named(
    slates: np.ndarray, shares: np.ndarray, n: int, ratio: float, field: str
) -> None:
    with pytest.raises(InvalidInputError) as error:
        position_marginals(slates, shares, n, ratio)
    assert error.value.field == field


def test_pairs_and_beginnings_agree_with_enumerating_every_slate() -> None:
    rng = np.random.default_rng(4)
    everything = np.array(list(permutations(range(5), 3)))
    slates = everything[rng.choice(len(everything), size=4, replace=False)]
    shares = rng.dirichlet(np.ones(4))
    chance = np.full(len(everything), 0.2 / len(everything))
    for slate, share in zip(slates, shares, strict=True):
        chance[(everything == slate).all(1)] += 0.8 * share
    pairs = pair_marginals(slates, shares, 5, 0.2)
    for i, a, j, b in np.ndindex(3, 5, 3, 5):
        both = (everything[:, i] == a) & (everything[:, j] == b)
        assert pairs[i, a, j, b] == pytest.approx(chance[both].sum(), abs=1e-14)
    for shown in everything[::7]:
        found = cascade_propensities((slates, shares), 5, 0.2, shown)
        exact = [chance[(everything[:, : j + 1] == shown[: j + 1]).all(1)].sum() for j in range(3)]
        np.testing.assert_allclose(found, exact, atol=1e-14)


def test_a_slate_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"shown\.shape"):
        cascade_propensities((SLATES, SHARES), 3, 0.1, np.array([0]))
