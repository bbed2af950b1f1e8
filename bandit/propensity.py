"""How likely the policy is to show each creative: exact from the pool, estimated as a check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from bandit.argmax import DrawPool, PooledSpace
from bandit.fm import Parameters, logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bandit.argmax import Ballot
    from bandit.feasible import FeasibleSet
    from bandit.features import IndexedSpace, RowArray
    from bandit.fm import FloatArray
    from bandit.posterior import Posterior


def vote_shares(ballot: Ballot) -> tuple[NDArray[np.int64], FloatArray]:
    """Lists the creatives (n,) that any draw likes best, and their shares votes/M (n,)."""
    creatives, votes = np.unique(ballot.winners, return_counts=True)
    return creatives, votes / votes.sum()


def element_shares(
    creatives: NDArray[np.int64], shares: FloatArray, feasible: FeasibleSet
) -> list[FloatArray]:
    """Adds up the shares (n,) of creatives by element, slot by slot: Σ_{c ∋ e} π(c)."""
    result = [np.zeros(size) for size in feasible.sizes]
    for creative, share in zip(creatives.tolist(), shares.tolist(), strict=True):
        for slot, element in enumerate(feasible.composition(creative)):
            result[slot][element] += share
    return result


def monte_carlo_propensities(
    posterior: Posterior, space: IndexedSpace, context: RowArray, num_draws: int, rng: np.random.Generator
) -> FloatArray:
    """Estimates the probability (C,) that fresh posterior draws favour each creative.

    This is what a policy without a pool would log; the pool's propensities scatter around it by
    √(π (1 − π) / M).
    """
    ballot = PooledSpace(DrawPool(posterior.draws(num_draws, rng)), space).ballot(context)
    return np.bincount(ballot.winners, minlength=space.feasible.count) / num_draws


def line_propensities(
    posterior: Posterior, space: IndexedSpace, context: RowArray, num_lines: int, rng: np.random.Generator
) -> FloatArray:
    """Estimates the same (C,) by exact integrals along random lines (Rao–Blackwell): less noise, seldom 0.

    With ε the standard normal noise of the elements' weights and d a random direction, ε = ε⊥ + t d with
    t ~ N(0, 1) independent of ε⊥. Along t each logit is a line, so the best creative changes where the lines
    of the upper envelope meet, and it is best with the normal probability of its stretch.

    Source: Casella and Robert (1996), Rao-Blackwellisation of sampling schemes.
    """
    compositions = space.compositions()
    draws = posterior.draws(num_lines, rng)
    rows = np.concatenate(
        [np.broadcast_to(context, (len(compositions), len(context))), space.rows[compositions]], axis=1
    )
    if space.composition_rows.size:
        rows = np.concatenate([rows, space.composition_rows[:, None]], axis=1)
    scale = posterior.scale.linear[space.rows]
    shares = np.zeros(len(compositions))
    for m in range(num_lines):
        one = Parameters(draws.bias[m], draws.linear[m], draws.factors[m])
        direction = rng.normal(size=scale.size)
        direction /= np.linalg.norm(direction)
        noise = (one.linear[space.rows] - posterior.loc.linear[space.rows]) / np.maximum(scale, 1e-300)
        slope = (scale * direction)[compositions].sum(axis=1)
        start = logits(one, rows) - (noise @ direction) * slope
        for creative, low, high in upper_envelope(start, slope):
            shares[creative] += ndtr(high) - ndtr(low)
    return shares / num_lines


def upper_envelope(start: FloatArray, slope: FloatArray) -> list[tuple[int, float, float]]:
    """Lists which of the lines start + t · slope is highest, and from where to where, t from −∞ to ∞.

    Among equal slopes only the highest line counts, and the first of equals.
    """
    order = np.lexsort((np.arange(len(start)), -start, slope))
    hull: list[int] = []
    meets: list[float] = []
    for line in order.tolist():
        if hull and slope[line] == slope[hull[-1]]:
            continue
        while hull:
            meet = (start[hull[-1]] - start[line]) / (slope[line] - slope[hull[-1]])
            if meet > meets[-1]:
                break
            hull.pop()
            meets.pop()
        meets.append(float(meet) if hull else -np.inf)
        hull.append(line)
    return list(zip(hull, meets, [*meets[1:], np.inf], strict=True))
