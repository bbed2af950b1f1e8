from __future__ import annotations

import numpy as np
import pytest

from bandit.features import RowGroup
from bandit.fm import Parameters
from bandit.hierarchy import PSEUDO_COUNT, learned_prior
from bandit.posterior import Posterior


def belief(
    linear: np.ndarray, linear_scale: np.ndarray | float, factors: np.ndarray, factors_scale: float = 0.2
) -> Posterior:
    return Posterior(
        Parameters(np.zeros(()), np.asarray(linear, float), factors),
        Parameters(
            np.array(1.0),
            np.broadcast_to(linear_scale, linear.shape).copy(),
            np.full(factors.shape, factors_scale),
        ),
    )


def first(num: int, scale: float = 0.3) -> Posterior:
    return belief(np.zeros(num), scale, np.full((num, 1), 0.1))


def group(num: int, design: np.ndarray | None = None) -> list[RowGroup]:
    return [RowGroup(0, num, np.empty((num, 0)) if design is None else design)]


def test_spread_is_the_mean_square_with_four_pseudo_weights() -> None:
    prior = first(2)
    after = learned_prior(group(2), prior, prior, belief(np.array([0.6, -0.8]), 0.1, prior.loc.factors))
    square = 0.36 + 0.64 + 2 * 0.01 + PSEUDO_COUNT * 0.09
    assert after.scale.linear == pytest.approx(np.full(2, np.sqrt(square / (2 + PSEUDO_COUNT))), rel=1e-9)
    assert after.loc.linear == pytest.approx(np.zeros(2), abs=0.01)


def test_without_evidence_the_prior_stays() -> None:
    prior = first(3)
    after = learned_prior(group(3), prior, prior, prior)
    assert np.array_equal(after.scale.linear, prior.scale.linear)
    assert np.array_equal(after.loc.factors, prior.loc.factors)


def test_factors_keep_the_ratio_of_mean_and_spread() -> None:
    prior = first(50)
    rng = np.random.default_rng(0)
    after = learned_prior(
        group(50), prior, prior, belief(np.zeros(50), 0.3, rng.normal(0.0, 1.0, (50, 1)), 0.01)
    )
    assert 0.7 < after.scale.factors[0, 0] < 1.3
    # The offset of 0.1/0.2 spreads, up to what the siblings have in common where evidence is thin.
    assert after.loc.factors / after.scale.factors == pytest.approx(np.full((50, 1), 0.5), abs=0.01)


def test_repeated_steps_end_where_the_spread_explains_the_weights() -> None:
    # 400 weights of spread 0.2, each seen through noise of 0.1; the fit is the exact Gaussian update.
    rng = np.random.default_rng(1)
    seen = rng.normal(0.0, 0.2, 400) + rng.normal(0.0, 0.1, 400)
    prior = origin = first(400)
    for _ in range(100):
        precision = prior.scale.linear**-2 + 100.0
        learned = belief(
            (100.0 * seen + prior.loc.linear * prior.scale.linear**-2) / precision,
            precision**-0.5,
            prior.loc.factors,
        )
        prior = learned_prior(group(400), origin, prior, learned)
    # Var(seen) = τ² + 0.01 has a relative deviation of √(2/400) = 7 %, so τ² = 0.04 ± 0.0035: 3 of those.
    assert prior.scale.linear[0] ** 2 == pytest.approx(0.04, abs=0.0105)


def test_element_without_evidence_follows_its_features() -> None:
    feature = np.array([-1.5, -0.5, 0.5, 1.5])[:, None]
    prior = first(4)
    learned = belief(np.array([-0.6, -0.2, 0.2, 0.0]), np.array([0.02, 0.02, 0.02, 0.3]), prior.loc.factors)
    after = learned_prior(group(4, feature), prior, prior, learned)
    # The known three lie on 0.4 x, less a little shrinkage.
    assert 0.3 < after.loc.linear[3] < 0.6
    assert after.loc.linear[2] == pytest.approx(0.2, abs=0.08)
    # What the regression does not know for sure widens the newcomer's belief.
    assert after.scale.linear[3] > after.scale.linear[0]


def test_element_without_evidence_joins_its_siblings() -> None:
    prior = first(5)
    learned = belief(np.array([0.4, 0.5, 0.6, 0.5, 0.0]), np.array([0.02] * 4 + [0.3]), prior.loc.factors)
    after = learned_prior(group(5), prior, prior, learned)
    assert after.loc.linear[4] == pytest.approx(0.4)
    assert abs(after.loc.linear[0]) < 0.01


def test_groups_learn_apart_and_the_bias_stays() -> None:
    prior = first(4)
    learned = belief(np.array([1.0, -1.0, 0.0, 0.0]), np.array([0.05, 0.05, 0.3, 0.3]), prior.loc.factors)
    groups = [RowGroup(0, 2, np.empty((2, 0))), RowGroup(2, 4, np.empty((2, 0)))]
    after = learned_prior(groups, prior, prior, learned)
    assert after.scale.linear[0] > 0.4
    assert after.scale.linear[2] == 0.3
    assert (after.loc.bias, after.scale.bias) == (0.0, 1.0)


def test_compositions_get_one_spread_and_keep_mean_zero() -> None:
    # Four elements without an effect make four compositions, each strongly off what its elements add up to.
    factors = np.full((4, 1), 0.1)
    prior = belief(np.zeros(8), np.repeat([0.3, 0.1], 4), factors)
    after_evidence = belief(np.array([0.0] * 4 + [0.5, -0.5, -0.5, 0.5]), np.repeat([0.3, 0.01], 4), factors)
    made_of = np.array([[0, 2], [0, 3], [1, 2], [1, 3]], np.int32)
    groups = [*group(4), RowGroup(4, 8, np.empty((4, 0)), made_of)]
    after = learned_prior(groups, prior, prior, after_evidence)
    assert np.ptp(after.scale.linear[4:]) == 0.0
    assert after.scale.linear[4] > 0.3
    assert np.all(after.loc.linear[4:] == 0.0)
    assert np.array_equal(after.scale.linear[:4], prior.scale.linear[:4])
    assert after.loc.factors.shape == (4, 1)
