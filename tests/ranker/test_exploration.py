"""The served policy: mixture and uniform exploration."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.errors import InvalidInputError
from ranker.exploration import ExploredMixture, tightened_limits, uniform_use


def mixture(ratio: float, n: int = 4) -> ExploredMixture:
    return ExploredMixture(np.array([[0, 1], [2, 1]]), np.array([0.75, 0.25]), n, ratio)


def test_propensities_by_hand():
    # Four candidates, two positions: 12 slates, each with 0.1/12 at least, and 0.9·0.75 more for the first.
    policy = mixture(0.1)
    propensity, marginals = policy.propensities(np.array([0, 1]))
    assert propensity == pytest.approx(0.675 + 0.1 / 12)
    # Candidate 1 stands second in both slates; candidate 0 never does, but by exploration.
    assert marginals == pytest.approx([0.9 * 0.75 + 0.025, 0.9 + 0.025])
    propensity, marginals = policy.propensities(np.array([3, 0]))
    assert propensity == pytest.approx(0.1 / 12)
    assert marginals == pytest.approx([0.025, 0.025])


def test_tightened_limits_by_hand():
    # A uniform slate uses (1 + 0.5)·mean(0, 1, 1, 0) = 0.75. To stay below 0.3 in all with 20 % of it
    # uniform, the mixture may use (0.3 − 0.2·0.75)/0.8 = 0.1875.
    uniform = uniform_use(np.array([[0.0, 1.0, 1.0, 0.0]]), 1.0 + 0.5)
    assert uniform == pytest.approx([0.75])
    assert tightened_limits(np.array([0.3]), uniform, 0.2) == pytest.approx([0.1875])


@given(st.floats(0, 0.99), st.integers(3, 5))
def test_propensities_sum_to_one_and_marginals_are_their_sums(ratio, n):
    policy = mixture(ratio, n)
    slates = [np.array(s) for s in permutations(range(n), 2)]
    propensities = np.array([policy.propensities(s)[0] for s in slates])
    assert propensities.sum() == pytest.approx(1)
    for slate in slates:
        for j in range(2):
            total = sum(p for p, s in zip(propensities, slates, strict=True) if s[j] == slate[j])
            assert policy.propensities(slate)[1][j] == pytest.approx(total)


@given(st.floats(0, 1, exclude_max=True), st.lists(st.floats(0.01, 1), min_size=1, max_size=8))
def test_a_draw_takes_the_first_slate_whose_cumulative_chance_exceeds_u(u, sizes):
    class Uniforms:
        def random(self, size):
            assert size == 2
            return np.array([0.0, u])

    probabilities = np.array(sizes) / sum(sizes)
    policy = ExploredMixture(np.arange(len(sizes))[:, None], probabilities, len(sizes), 0.0)
    place = np.searchsorted(np.cumsum(probabilities), u, side="right")
    assert policy.draw(Uniforms()).tolist() == [min(place, len(sizes) - 1)]


def test_draws_come_as_often_as_their_propensities_say():
    # Pearson's χ² over the 12 slates, 20,000 draws: 11 degrees of freedom, 99.99 % quantile 37.4.
    policy, rng = mixture(0.3), np.random.default_rng(1)
    slates = list(permutations(range(4), 2))
    counts = dict.fromkeys(slates, 0)
    for _ in range(20_000):
        counts[tuple(policy.draw(rng).tolist())] += 1
    expected = np.array([20_000 * policy.propensities(np.array(s))[0] for s in slates])
    assert (((np.array(list(counts.values())) - expected) ** 2) / expected).sum() < 37.4


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_a_ratio_outside_its_range_is_refused(ratio):
    with pytest.raises(InvalidInputError, match="exploration_ratio"):
        mixture(ratio)
