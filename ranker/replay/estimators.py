"""Point estimates of a target policy's value from rows that a logging policy wrote.

Each row is (context xᵢ, action aᵢ, reward rᵢ); its weight is wᵢ = π(aᵢ|xᵢ) / π₀(aᵢ|xᵢ).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError

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


def dr(rewards: Floats, weights: Floats, baseline_logged: Floats, baseline_target: Floats) -> float:
    """Estimate the value doubly robustly: the mean of `dr_terms`."""
    return float(np.mean(dr_terms(rewards, weights, baseline_logged, baseline_target)))


def dr_terms(rewards: Floats, weights: Floats, baseline_logged: Floats, baseline_target: Floats) -> Floats:
    """Correct a reward model by its weighted residuals, q̂(xᵢ, π) + wᵢ·(rᵢ − q̂(xᵢ, aᵢ)), as `(n,)`.

    `baseline_logged` is q̂(xᵢ, aᵢ) and `baseline_target` q̂(xᵢ, π) = Σₐ π(a|xᵢ)·q̂(xᵢ, a), both `(n,)`.
    Unbiased for any q̂ that was not fitted on these rows; the better q̂, the smaller the variance.
    Source: Dudík, Langford and Li (2011), "Doubly robust policy evaluation and learning", eq. 1.
    """
    check_rows(rewards, weights)
    for name, values in (("baseline_logged", baseline_logged), ("baseline_target", baseline_target)):
        _check_column(name, values, rewards.shape)
    terms: Floats = baseline_target + weights * (rewards - baseline_logged)
    return terms


def check_rows(rewards: Floats, weights: Floats) -> None:
    """Raise `InvalidInputError` unless there is one finite reward and one weight ≥ 0 a row."""
    if rewards.ndim != 1 or rewards.size == 0:
        raise InvalidInputError("rewards.shape", rewards.shape, "must be (n,) with at least one row")
    _check_column("rewards", rewards, rewards.shape)
    _check_column("weights", weights, rewards.shape)
    if (weights < 0).any():
        i = int(np.argmax(weights < 0))
        raise InvalidInputError(f"weights[{i}]", float(weights[i]), "must not be negative")


def _check_column(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise InvalidInputError(f"{name}.shape", values.shape, f"must be one a row: {shape}")
    bad = ~np.isfinite(values)
    if bad.any():
        i = int(np.argmax(bad))
        raise InvalidInputError(f"{name}[{i}]", float(values[i]), "must be finite")
