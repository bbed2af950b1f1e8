"""Importance weighting: estimates of a policy's value from rewards and weights alone.

Each row is (context xᵢ, action aᵢ, reward rᵢ); its weight is wᵢ = π(aᵢ|xᵢ) / π₀(aᵢ|xᵢ).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_positive, check_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]


def ips(rewards: Floats, weights: Floats) -> float:
    """Estimate the value by inverse propensity scoring, 1/n·Σ wᵢrᵢ: unbiased where π₀ covers π.

    Source: Horvitz and Thompson (1952), "A generalization of sampling without replacement", eq. 5.
    """
    check_rows(rewards, weights)
    return float(np.mean(weights * rewards))


def snips(rewards: Floats, weights: Floats) -> float:
    """Estimate the value by self-normalised inverse propensity scoring, Σ wᵢrᵢ / Σ wᵢ.

    Slightly biased, of smaller variance than `ips`, and never outside the range of the rewards.
    Source: Swaminathan and Joachims (2015), "The self-normalized estimator for counterfactual learning".
    """
    check_rows(rewards, weights)
    total = float(np.sum(weights))
    if total == 0:
        raise InvalidInputError("weights", total, "the target policy never does what was logged")
    return float(np.sum(weights * rewards)) / total


def clipped(weights: Floats, largest: float) -> Floats:
    """Return min(wᵢ, M), `(n,)`: for rewards ≥ 0 the estimate can only become smaller.

    Source: Ionides (2008), "Truncated importance sampling".
    """
    check_positive("largest", largest)
    cut: Floats = np.minimum(weights, largest)
    return cut


def sub_gaussian(weights: Floats, strength: float) -> Floats:
    """Return wᵢ / (1 − λ + λwᵢ), `(n,)`, for λ = `strength` in [0, 1]: 0 changes nothing, 1 gives 1.

    The weights are then bounded by 1/λ, and the estimate concentrates like a Gaussian.
    Source: Metelli, Russo and Restelli (2021), "Subgaussian and differentiable importance sampling for
    off-policy evaluation and learning", with s = −1.
    """
    if not 0 <= strength <= 1:
        raise InvalidInputError("strength", strength, "must lie in [0, 1]")
    with np.errstate(invalid="ignore"):  # 0/0 at λ = 1 and w = 0: what is never done stays at 0
        shrunk = weights / (1 - strength + strength * weights)
    return np.where(weights == 0, 0.0, shrunk)


def clipped_ips(rewards: Floats, weights: Floats, largest: float) -> float:
    """Estimate the value by `ips` with `clipped` weights."""
    return ips(rewards, clipped(weights, largest))


def sub_gaussian_ips(rewards: Floats, weights: Floats, strength: float) -> float:
    """Estimate the value by `ips` with `sub_gaussian` weights."""
    return ips(rewards, sub_gaussian(weights, strength))
