"""Marginals by hand, then against enumeration of every slate."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.marginals import cascade_propensities, pair_marginals, position_marginals, worth_below

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


def test_the_worth_below_a_beginning_agrees_with_enumerating_every_slate() -> None:
    rng = np.random.default_rng(5)
    everything = np.array(list(permutations(range(5), 3)))
    slates = everything[[3, 4, 40]]  # two begin alike
    shares = np.array([0.5, 0.2, 0.3])
    chance = np.full(len(everything), 0.2 / len(everything))
    for slate, share in zip(slates, shares, strict=True):
        chance[(everything == slate).all(1)] += 0.8 * share
    worth = rng.random((5, 3))
    for shown in (slates[0], slates[2], everything[10]):
        found = worth_below((slates, shares), worth, 0.2, shown)
        for j in range(3):
            begins = (everything[:, :j] == shown[:j]).all(axis=1)
            below = worth[everything[:, j:], np.arange(j, 3)].sum(axis=1)
            assert found[j] == pytest.approx((chance * begins * below).sum() / (chance * begins).sum())
        assert found[3] == 0.0


def test_without_exploration_nothing_stands_below_what_is_never_begun() -> None:
    worth = np.array([[4.0, 1.0], [2.0, 3.0], [1.0, 5.0]])
    # 0 always stands first: 4 + 0.75·3 + 0.25·5 from the top, then nothing after 1.
    np.testing.assert_allclose(worth_below((SLATES, SHARES), worth, 0.0, np.array([1, 0])), [7.5, 0.0, 0.0])


def test_many_mixtures_at_once_are_each_as_alone() -> None:
    rng = np.random.default_rng(5)
    slates = np.array([[rng.permutation(5)[:3] for _ in range(2)] for _ in range(7)])
    shares, ratios = rng.dirichlet(np.ones(2), 7), rng.uniform(0, 0.5, 7)
    shown, worth = np.array([rng.permutation(5)[:3] for _ in range(7)]), rng.random((7, 5, 3))
    marginals = position_marginals(slates, shares, 5, ratios)
    begun = cascade_propensities((slates, shares), 5, ratios, shown)
    below = worth_below((slates, shares), worth, ratios, shown)
    for b in range(7):
        mixture, ratio = (slates[b], shares[b]), float(ratios[b])
        np.testing.assert_allclose(marginals[b], position_marginals(*mixture, 5, ratio), atol=1e-15)
        np.testing.assert_allclose(begun[b], cascade_propensities(mixture, 5, ratio, shown[b]), atol=1e-15)
        np.testing.assert_allclose(below[b], worth_below(mixture, worth[b], ratio, shown[b]), atol=1e-14)
