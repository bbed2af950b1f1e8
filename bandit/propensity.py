"""How likely the policy is to show each creative: exact from the pool, estimated as a check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandit.argmax import ScoredSpace

if TYPE_CHECKING:
    from bandit.features import IndexedSpace, RowArray
    from bandit.fm import FloatArray
    from bandit.posterior import Posterior


def pool_propensities(winners: RowArray, num_compositions: int, floor: float) -> FloatArray:
    """Computes the probability of every composition when one of M draws is taken uniformly.

    π(c) = (1 − floor) · votes(c) / M + floor / C

    Args:
        winners: (M,) best composition of each draw in the pool.
        num_compositions: C, feasible compositions.
        floor: probability of a uniformly random composition instead.

    Returns: (C,), sums to 1.
    """
    votes = np.bincount(winners, minlength=num_compositions)
    return np.asarray((1.0 - floor) * votes / winners.size + floor / num_compositions)


def monte_carlo_propensities(
    posterior: Posterior, space: IndexedSpace, context: RowArray, num_draws: int, rng: np.random.Generator
) -> FloatArray:
    """Estimates the probability (C,) that fresh posterior draws favour each composition.

    This is what a policy without a pool would log; the pool's propensities scatter around it by
    √(π (1 − π) / M).
    """
    draws = posterior.draws(num_draws, rng)
    winners = ScoredSpace.of(draws, space).winners(draws, context)
    return pool_propensities(winners, space.num_compositions, 0.0)
