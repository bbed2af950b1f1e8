"""How likely the policy is to show each creative: exact from the pool, estimated as a check."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from bandit.argmax import DrawPool, PooledSpace

if TYPE_CHECKING:
    from bandit.argmax import Ballot
    from bandit.feasible import FeasibleSet
    from bandit.features import IndexedSpace, RowArray
    from bandit.fm import FloatArray
    from bandit.posterior import Posterior


def propensity(ballot: Ballot, creative: int, num_draws: int, floor: float, num_creatives: int) -> float:
    """Computes the probability of a creative when one of M draws is taken uniformly.

    π(c) = (1 − floor) · votes(c) / M + floor / C

    Args:
        ballot: the pool's votes in this context.
        creative: c, its number in the feasible set.
        num_draws: M.
        floor: probability of a uniformly random creative instead.
        num_creatives: C, feasible creatives.
    """
    return (1.0 - floor) * ballot.votes(creative) / num_draws + floor / num_creatives


def pool_propensities(ballot: Ballot, num_draws: int, floor: float, num_creatives: int) -> FloatArray:
    """Computes `propensity` of every creative: (C,), sums to 1. For spaces that can be listed."""
    votes = Counter(ballot.winner(draw) for draw in range(num_draws))
    shares = np.full(num_creatives, floor / num_creatives)
    for creative, count in votes.items():
        shares[creative] += (1.0 - floor) * count / num_draws
    return shares


def element_propensities(
    ballot: Ballot, num_draws: int, floor: float, feasible: FeasibleSet
) -> list[FloatArray]:
    """Computes the probability that each element is shown, slot by slot; for spaces of any size.

    π(e) = (1 − floor) · (draws whose best creative contains e) / M + floor · (creatives with e) / C
    """
    shares = [floor * np.array(counts) / feasible.count for counts in feasible.element_counts()]
    for draw in range(num_draws):
        for slot, element in enumerate(feasible.composition(ballot.winner(draw))):
            shares[slot][element] += (1.0 - floor) / num_draws
    return shares


def monte_carlo_propensities(
    posterior: Posterior, space: IndexedSpace, context: RowArray, num_draws: int, rng: np.random.Generator
) -> FloatArray:
    """Estimates the probability (C,) that fresh posterior draws favour each creative.

    This is what a policy without a pool would log; the pool's propensities scatter around it by
    √(π (1 − π) / M).
    """
    ballot = PooledSpace(DrawPool(posterior.draws(num_draws, rng)), space).ballot(context)
    return pool_propensities(ballot, num_draws, 0.0, space.feasible.count)
