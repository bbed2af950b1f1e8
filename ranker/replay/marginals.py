"""How likely a randomised slate policy is to put a candidate at a position."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


def position_marginals(
    slates: Integers, probabilities: Floats, num_candidates: int, exploration_ratio: float
) -> Floats:
    """Return P(candidate i at position j) as `(n, k)`: (1−ε)·Σₛ pₛ·[slateₛⱼ = i] + ε/n.

    `slates` `(m, k)` and `probabilities` `(m,)` are the mixture; with probability ε the slate is drawn
    uniformly from all n!/(n−k)! slates instead, which puts each candidate at each position with 1/n.
    """
    _check_mixture(slates, probabilities, num_candidates, exploration_ratio)
    num_positions = slates.shape[1]
    marginals = np.zeros((num_candidates, num_positions))
    positions = np.broadcast_to(np.arange(num_positions), slates.shape)
    shares = np.broadcast_to(probabilities[:, None], slates.shape)
    np.add.at(marginals, (slates, positions), shares)
    return (1 - exploration_ratio) * marginals + exploration_ratio / num_candidates


def pair_marginals(
    slates: Integers, probabilities: Floats, num_candidates: int, exploration_ratio: float
) -> Floats:
    """Return P(candidate a at position i and b at j) as `(k, n, k, n)`: what the pseudo-inverse needs.

    (1−ε)·Σₛ pₛ·[sᵢ = a]·[sⱼ = b] + ε·(1/n where i = j and a = b, 1/(n(n−1)) where both differ).
    """
    _check_mixture(slates, probabilities, num_candidates, exploration_ratio)
    n, k = num_candidates, slates.shape[1]
    shown = (slates[:, :, None] == np.arange(n)).astype(float)  # (m, k, n)
    served = np.einsum("s,sia,sjb->iajb", probabilities, shown, shown)
    same_position, same_candidate = np.eye(k)[:, None, :, None], np.eye(n)[None, :, None, :]
    uniform = same_position * same_candidate / n
    if k > 1:
        uniform = uniform + (1 - same_position) * (1 - same_candidate) / (n * (n - 1))
    pairs: Floats = (1 - exploration_ratio) * served + exploration_ratio * uniform
    return pairs


def cascade_propensities(
    mixture: tuple[Integers, Floats], num_candidates: int, exploration_ratio: float, shown: Integers
) -> Floats:
    """Return P(positions 0 … j hold what `shown` `(k,)` has there), `(k,)`; the last is that of the slate.

    (1−ε)·Σₛ pₛ·[s₀…ⱼ = shown₀…ⱼ] + ε·(n−j−1)!/n!, of the mixture's slates `(m, k)` and probabilities `(m,)`.
    """
    slates, probabilities = mixture
    _check_mixture(slates, probabilities, num_candidates, exploration_ratio)
    if shown.shape != slates.shape[1:]:
        raise InvalidInputError("shown.shape", shown.shape, f"must be {slates.shape[1:]}")
    served = probabilities @ np.logical_and.accumulate(slates == shown, axis=1)
    uniform = np.cumprod(1.0 / (num_candidates - np.arange(shown.size)))
    found: Floats = (1 - exploration_ratio) * served + exploration_ratio * uniform
    return found


def worth_below(
    mixture: tuple[Integers, Floats], worth: Floats, exploration_ratio: float, shown: Integers
) -> Floats:
    """Return Vⱼ = E[Σ_{l ≥ j} worth of what stands at l | positions 0 … j−1 as in `shown`], `(k + 1,)`.

    `worth` `(n, k)` is of each candidate at each position, `shown` `(k,)`. Slates that begin so are weighed
    by their shares; the exploring share goes on uniformly over the candidates left. V_k = 0, and Vⱼ = 0
    where the policy never begins so. With worth[shownⱼ, j] + Vⱼ₊₁ and Vⱼ these are Cascade-DR's baselines.
    """
    slates, probabilities = mixture
    num_candidates, k = worth.shape
    begun = cascade_propensities(mixture, num_candidates, exploration_ratio, shown)
    at = worth[slates, np.arange(k)]
    below = np.cumsum(at[:, ::-1], axis=1)[:, ::-1]  # (m, k)
    matches = np.logical_and.accumulate(
        np.column_stack((np.ones(len(slates), bool), slates == shown)), axis=1
    )
    served = probabilities @ (matches[:, :k] * below)
    left = np.ones((num_candidates, k), bool)
    for j in range(1, k):
        left[shown[:j], j] = False
    # worth of position l, averaged over the candidates that are left at j: (j, l)
    mean = (left.T @ worth) / left.sum(axis=0)[:, None]
    chance = np.concatenate(([1.0], np.cumprod(1.0 / (num_candidates - np.arange(k - 1)))))
    explored = chance * np.triu(mean).sum(axis=1)
    total = (1 - exploration_ratio) * served + exploration_ratio * explored
    whole = np.concatenate(([1.0], begun[:-1]))
    found = np.divide(total, whole, out=np.zeros(k), where=whole > 0)
    return np.append(found, 0.0)


def _check_mixture(
    slates: Integers, probabilities: Floats, num_candidates: int, exploration_ratio: float
) -> None:
    if slates.ndim != 2 or probabilities.shape != slates.shape[:1]:
        raise InvalidInputError(
            "probabilities.shape", probabilities.shape, f"must be one a slate of {slates.shape}"
        )
    if not np.isclose(probabilities.sum(), 1) or (probabilities < 0).any():
        raise InvalidInputError("probabilities", float(probabilities.sum()), "must be ≥ 0 and sum to 1")
    if slates.min() < 0 or slates.max() >= num_candidates:
        raise InvalidInputError("slates", int(slates.max()), f"must index {num_candidates} candidates")
    if not 0 <= exploration_ratio <= 1:
        raise InvalidInputError("exploration_ratio", exploration_ratio, "must lie in [0, 1]")
