"""Estimates of a slate policy's value Σⱼ E rⱼ from logged slates, from the least to the most assumed.

Rewards are `(n, k)`: of each position. Weights are ratios of target to logging policy: of the whole slate
`(n,)`, of what stands at a position `(n, k)`, or of everything down to a position `(n, k)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


def sips(rewards: Floats, slate_weights: Floats) -> float:
    """Estimate the value by 1/n·Σᵢ wᵢ·Σⱼ rᵢⱼ, w of the whole slate: assumes nothing, varies most.

    Source: Precup, Sutton and Singh (2000), "Eligibility traces for off-policy policy evaluation".
    """
    _check(rewards, slate_weights[:, None] * np.ones(rewards.shape[-1]))
    return float(np.mean(slate_weights * rewards.sum(axis=1)))


def iips(rewards: Floats, position_weights: Floats) -> float:
    """Estimate the value by 1/n·Σᵢⱼ wᵢⱼrᵢⱼ, w of the item there: assumes that items do not interact.

    Source: Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen (2018), "Offline evaluation of ranking
    policies with click models".
    """
    _check(rewards, position_weights)
    return float(np.mean((position_weights * rewards).sum(axis=1)))


def rips(rewards: Floats, cascade_weights: Floats) -> float:
    """Estimate the value by 1/n·Σᵢⱼ wᵢⱼrᵢⱼ, w of positions 0 … j: assumes that users look from top to bottom.

    Source: McInerney, Brost, Chandar, Mehrotra and Carterette (2020), "Counterfactual evaluation of slate
    recommendations with sequential reward interactions".
    """
    _check(rewards, cascade_weights)
    return float(np.mean((cascade_weights * rewards).sum(axis=1)))


def self_normalised(rewards: Floats, weights: Floats) -> float:
    """Estimate the value by Σⱼ (Σᵢ wᵢⱼrᵢⱼ / Σᵢ wᵢⱼ), for weights `(n, k)` of any of the three kinds.

    Source: McInerney et al. (2020).
    """
    _check(rewards, weights)
    total = weights.sum(axis=0)
    if (total == 0).any():
        j = int(np.argmax(total == 0))
        raise InvalidInputError(f"weights[:, {j}]", 0.0, "the target never does what was logged there")
    return float(((weights * rewards).sum(axis=0) / total).sum())


def cascade_dr(
    rewards: Floats, cascade_weights: Floats, baseline_logged: Floats, baseline_target: Floats
) -> float:
    """Estimate the value by 1/n·Σᵢⱼ [wᵢⱼ(rᵢⱼ − Q̂ᵢⱼ) + wᵢ,ⱼ₋₁·Q̂ᵢⱼ(π)], wᵢ,₋₁ = 1: `rips` with a model.

    `baseline_logged` `(n, k)` predicts the rewards of positions j … k−1 given the items down to j, and
    `baseline_target` is its mean over the target's choice at j, given the items above. Unbiased as `rips` is,
    whatever the model.
    Source: Kiyohara, Saito, Matsuhiro, Narita, Shimizu and Yamamoto (2022), "Doubly robust off-policy
    evaluation for ranking policies under the cascade behavior model".
    """
    _check(rewards, cascade_weights)
    check_column("baseline_logged", baseline_logged, rewards.shape)
    check_column("baseline_target", baseline_target, rewards.shape)
    above = np.concatenate((np.ones((len(rewards), 1)), cascade_weights[:, :-1]), axis=1)
    terms = cascade_weights * (rewards - baseline_logged) + above * baseline_target
    return float(np.mean(terms.sum(axis=1)))


def pseudo_inverse_weights(slates: Integers, pairs: Floats, target: Floats) -> Floats:
    """Return qᵀ·Γ⁺·1ₛ for each logged slate, `(n,)`: its weight if rewards add up over positions.

    `slates` `(n, k)`; `pairs` Γ `(k, A, k, A)`, P(a at i and b at j) under the logging policy; `target` q
    `(k, A)`, P(a at i) under the target: all of one context. Assumes that the slate's reward is a sum of
    unknown worths of its items at their positions, and needs the reward of the slate as a whole only.
    Source: Swaminathan, Krishnamurthy, Agarwal, Dudík, Langford, Jose and Zitouni (2017), "Off-policy
    evaluation for slate recommendation".
    """
    k, num_actions = target.shape
    if pairs.shape != (k, num_actions, k, num_actions):
        raise InvalidInputError(
            "pairs.shape", pairs.shape, f"must be (k, A, k, A) for a target of {target.shape}"
        )
    if slates.ndim != 2 or slates.shape[1] != k:
        raise InvalidInputError("slates.shape", slates.shape, f"must be (n, {k})")
    size = k * num_actions
    gamma = pairs.reshape(size, size)
    row = target.reshape(-1) @ np.linalg.pinv(gamma, rcond=1e-10, hermitian=True)
    found: Floats = row[np.arange(k) * num_actions + slates].sum(axis=1)
    return found


def pseudo_inverse(slate_rewards: Floats, weights: Floats) -> float:
    """Estimate the value by 1/n·Σᵢ wᵢrᵢ, w of `pseudo_inverse_weights` (they may be negative)."""
    check_column("weights", weights, slate_rewards.shape)
    check_column("slate_rewards", slate_rewards, slate_rewards.shape)
    return float(np.mean(weights * slate_rewards))


def _check(rewards: Floats, weights: Floats) -> None:
    if rewards.ndim != 2 or rewards.size == 0:
        raise InvalidInputError("rewards.shape", rewards.shape, "must be (n, k) with at least one slate")
    check_column("rewards", rewards, rewards.shape)
    check_column("weights", weights, rewards.shape)
    if (weights < 0).any():
        raise InvalidInputError("weights", float(weights.min()), "must not be negative")
