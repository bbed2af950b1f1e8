"""Slate estimators: their exact expectation over every slate that the log could hold."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.estimators.plackett_luce import cascade_propensities, position_marginals_by_subsets
from ranker.replay.estimators.slate import (
    cascade_dr,
    iips,
    pseudo_inverse,
    pseudo_inverse_weights,
    rips,
    self_normalised,
    sips,
)
from ranker.replay.marginals import pair_marginals, position_marginals

A, K = 5, 3
RNG = np.random.default_rng(7)
SLATES = np.array(list(permutations(range(A), K)))
N = len(SLATES)


def _policy(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chances of every slate, of its beginnings `(N, K)` and of its items at their positions `(N, K)`."""
    scores = np.random.default_rng(seed).normal(size=(1, A))
    cascade = cascade_propensities(np.tile(scores, (N, 1)), SLATES)
    marginals = position_marginals_by_subsets(scores, K)[0]
    return cascade[:, -1], cascade, marginals[SLATES, np.arange(K)]


LOGGING, TARGET = _policy(1), _policy(2)
SLATE_W, CASCADE_W, POSITION_W = (t / b for t, b in zip(TARGET, LOGGING, strict=True))


def _expected(terms: np.ndarray) -> np.ndarray:
    """What the mean over an endless log is: an estimator takes the mean, so chances go in as N·chance."""
    return N * LOGGING[0].reshape(-1, *([1] * (terms.ndim - 1))) * terms


def _cascade_rewards() -> np.ndarray:
    """Rewards of a position that depend on what stands above it."""
    base = RNG.random((A, A + 1))
    above = np.concatenate((np.full((N, 1), A), SLATES[:, :-1]), axis=1)
    return base[SLATES, above]


def _value(rewards: np.ndarray) -> float:
    return float((TARGET[0][:, None] * rewards).sum())


def test_the_whole_slate_weight_is_exact_for_any_reward() -> None:
    rewards = RNG.random((N, K))
    assert sips(_expected(rewards), SLATE_W) == pytest.approx(_value(rewards), abs=1e-12)


def test_the_cascade_weight_is_exact_where_positions_above_matter() -> None:
    rewards = _cascade_rewards()
    assert rips(_expected(rewards), CASCADE_W) == pytest.approx(_value(rewards), abs=1e-12)
    assert iips(_expected(rewards), POSITION_W) != pytest.approx(_value(rewards), abs=1e-3)


def test_the_position_weight_is_exact_where_items_do_not_interact() -> None:
    rewards = RNG.random((A, K))[SLATES, np.arange(K)]
    assert iips(_expected(rewards), POSITION_W) == pytest.approx(_value(rewards), abs=1e-12)


def test_fewer_assumptions_cost_variance() -> None:
    rewards = RNG.random((A, K))[SLATES, np.arange(K)]
    second = [
        float((LOGGING[0] * ((w * rewards).sum(1)) ** 2).sum())
        for w in (SLATE_W[:, None], CASCADE_W, POSITION_W)
    ]
    assert second[0] > second[1] > second[2]


def test_cascade_dr_is_exact_whatever_the_model() -> None:
    rewards, model = _cascade_rewards(), RNG.random((A,) * K)
    logged = np.empty((N, K))
    target = np.empty((N, K))
    chance = {tuple(s[: j + 1]): TARGET[1][i, j] for i, s in enumerate(SLATES) for j in range(K)}
    for i, slate in enumerate(SLATES):
        for j in range(K):
            above = tuple(slate[:j])
            logged[i, j] = model[(*above, slate[j], *([0] * (K - 1 - j)))]
            whole = chance[above] if j else 1.0
            target[i, j] = sum(
                chance[(*above, b)] / whole * model[(*above, b, *([0] * (K - 1 - j)))]
                for b in range(A)
                if b not in above
            )
    terms = CASCADE_W * (rewards - logged)
    above_w = np.concatenate((np.ones((N, 1)), CASCADE_W[:, :-1]), axis=1)
    exact = float((LOGGING[0][:, None] * (terms + above_w * target)).sum())
    assert exact == pytest.approx(_value(rewards), abs=1e-12)
    uniform = cascade_dr(rewards, CASCADE_W, logged, target)
    assert uniform == pytest.approx(float((terms + above_w * target).sum(1).mean()), rel=1e-12)


def test_cascade_dr_without_a_model_is_rips() -> None:
    rewards, zero = _cascade_rewards(), np.zeros((N, K))
    assert cascade_dr(rewards, CASCADE_W, zero, zero) == rips(rewards, CASCADE_W)


def test_the_pseudo_inverse_is_exact_for_rewards_that_add_up_seen_only_as_a_sum() -> None:
    slates = SLATES[[0, 7, 22, 41]]
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    pairs = pair_marginals(slates, shares, A, 0.3)
    chance = np.full(N, 0.3 / N)
    for slate, share in zip(slates, shares, strict=True):
        chance[(slate == SLATES).all(1)] += 0.7 * share
    target = position_marginals(slates[::-1], shares, A, 0.1)
    weights = pseudo_inverse_weights(SLATES, pairs, target.T)
    worth = RNG.random((A, K))
    rewards = worth[SLATES, np.arange(K)].sum(axis=1)
    assert float((chance * weights * rewards).sum()) == pytest.approx(
        float((target * worth).sum()), abs=1e-10
    )
    assert pseudo_inverse(rewards, weights) == pytest.approx(float((weights * rewards).mean()), rel=1e-12)


def test_for_one_position_the_pseudo_inverse_is_ips() -> None:
    single = np.arange(A)[:, None]
    shares, target = np.random.default_rng(3).dirichlet(np.ones(A), size=2)
    pairs = np.diag(shares).reshape(1, A, 1, A)
    np.testing.assert_allclose(pseudo_inverse_weights(single, pairs, target[None]), target / shares)


def test_self_normalisation_by_hand() -> None:
    rewards = np.array([[1.0, 0.0], [0.0, 1.0]])
    weights = np.array([[2.0, 1.0], [1.0, 3.0]])
    assert self_normalised(rewards, weights) == pytest.approx(2 / 3 + 3 / 4)
    with pytest.raises(InvalidInputError, match="never does"):
        self_normalised(rewards, np.array([[1.0, 0.0], [1.0, 0.0]]))


@pytest.mark.parametrize(
    ("rewards", "weights", "field"),
    [
        (np.zeros(3), np.ones(3), "rewards.shape"),
        (np.zeros((2, 2)), np.ones((2, 3)), "weights.shape"),
        (np.array([[0.0, np.nan]]), np.ones((1, 2)), "rewards[0, 1]"),
        (np.zeros((1, 2)), np.array([[1.0, -1.0]]), "weights"),
    ],
)
def test_a_broken_slate_log_is_named(rewards: np.ndarray, weights: np.ndarray, field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        rips(rewards, weights)
    assert error.value.field == field


def test_pair_marginals_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"pairs\.shape"):
        pseudo_inverse_weights(SLATES, np.zeros((K, A, K, A + 1)), np.zeros((K, A)))
