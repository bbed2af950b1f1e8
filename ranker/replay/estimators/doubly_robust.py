"""A reward model corrected by weighted residuals, and ways to make the correction vary less.

q̂(x, a) is the reward model; every function takes `baseline_logged` q̂(xᵢ, aᵢ) and `baseline_target`
q̂(xᵢ, π) = Σₐ π(a|xᵢ)·q̂(xᵢ, a), both `(n,)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_column, check_positive, check_rows
from ranker.replay.estimators.weighting import sub_gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]


def direct_method(baseline_target: Floats) -> float:
    """Estimate the value by the reward model alone, 1/n·Σ q̂(xᵢ, π): as biased as the model is wrong.

    Source: Beygelzimer and Langford (2009), "The offset tree", section 1.
    """
    if baseline_target.ndim != 1 or baseline_target.size == 0:
        raise InvalidInputError("baseline_target.shape", baseline_target.shape, "must be (n,) with n ≥ 1")
    check_column("baseline_target", baseline_target, baseline_target.shape)
    return float(np.mean(baseline_target))


def dr(rewards: Floats, weights: Floats, baseline_logged: Floats, baseline_target: Floats) -> float:
    """Estimate the value doubly robustly: the mean of `dr_terms`."""
    return float(np.mean(dr_terms(rewards, weights, baseline_logged, baseline_target)))


def dr_terms(rewards: Floats, weights: Floats, baseline_logged: Floats, baseline_target: Floats) -> Floats:
    """Correct a reward model by its weighted residuals, q̂(xᵢ, π) + wᵢ·(rᵢ − q̂(xᵢ, aᵢ)), as `(n,)`.

    Unbiased for any q̂ that was not fitted on these rows; the better q̂, the smaller the variance.
    Source: Dudík, Langford and Li (2011), "Doubly robust policy evaluation and learning", eq. 1.
    """
    check_rows(rewards, weights)
    check_column("baseline_logged", baseline_logged, rewards.shape)
    check_column("baseline_target", baseline_target, rewards.shape)
    terms: Floats = baseline_target + weights * (rewards - baseline_logged)
    return terms


def sndr(rewards: Floats, weights: Floats, baseline_logged: Floats, baseline_target: Floats) -> float:
    """Estimate the value by 1/n·Σ q̂(xᵢ, π) + Σ wᵢ(rᵢ − q̂(xᵢ, aᵢ)) / Σ wᵢ: self-normalised `dr`.

    Source: Thomas and Brunskill (2016), "Data-efficient off-policy policy evaluation".
    """
    check_rows(rewards, weights)
    total = float(np.sum(weights))
    if total == 0:
        raise InvalidInputError("weights", total, "the target policy never does what was logged")
    return dr(rewards, weights * (weights.size / total), baseline_logged, baseline_target)


def switched(weights: Floats, threshold: float) -> Floats:
    """Return wᵢ·[wᵢ ≤ τ], `(n,)`: with `dr`, rows of large weight are left to the reward model.

    Source: Wang, Agarwal and Dudík (2017), "Optimal and adaptive off-policy evaluation in contextual
    bandits".
    """
    check_positive("threshold", threshold)
    return np.where(weights <= threshold, weights, 0.0)


def optimistically_shrunk(weights: Floats, strength: float) -> Floats:
    """Return λwᵢ / (wᵢ² + λ), `(n,)`, for λ = `strength`: ∞ changes nothing, near 0 leaves the reward model.

    Source: Su, Dimakopoulou, Krishnamurthy and Dudík (2020), "Doubly robust off-policy evaluation with
    shrinkage".
    """
    check_positive("strength", strength)
    if np.isinf(strength):
        return weights
    shrunk: Floats = strength * weights / (weights**2 + strength)
    return shrunk


def switch_dr(
    rewards: Floats, weights: Floats, baseline_logged: Floats, baseline_target: Floats, threshold: float
) -> float:
    """Estimate the value by `dr` with `switched` weights."""
    check_rows(rewards, weights)
    return dr(rewards, switched(weights, threshold), baseline_logged, baseline_target)


def dros(
    rewards: Floats, weights: Floats, baseline_logged: Floats, baseline_target: Floats, strength: float
) -> float:
    """Estimate the value by `dr` with `optimistically_shrunk` weights."""
    check_rows(rewards, weights)
    return dr(rewards, optimistically_shrunk(weights, strength), baseline_logged, baseline_target)


def sub_gaussian_dr(
    rewards: Floats, weights: Floats, baseline_logged: Floats, baseline_target: Floats, strength: float
) -> float:
    """Estimate the value by `dr` with `sub_gaussian` weights."""
    check_rows(rewards, weights)
    return dr(rewards, sub_gaussian(weights, strength), baseline_logged, baseline_target)


def mrdr_sample_weights(weights: Floats, propensities: Floats) -> Floats:
    """Return wᵢ·(1 − π₀ᵢ) / π₀ᵢ, `(n,)`: a reward model fitted with them makes `dr` vary least (MRDR).

    Σᵢ π(aᵢ|xᵢ)·(1 − π₀ᵢ)/π₀ᵢ²·(rᵢ − q̂(xᵢ, aᵢ))² bounds the part of DR's variance that q̂ decides;
    it is that part where the target is deterministic.
    Source: Farajtabar, Chow and Ghavamzadeh (2018), "More robust doubly robust off-policy evaluation".
    """
    check_column("propensities", propensities, weights.shape)
    if ((propensities <= 0) | (propensities > 1)).any():
        raise InvalidInputError("propensities", float(propensities.min()), "must lie in (0, 1]")
    found: Floats = weights * (1 - propensities) / propensities
    return found
