"""How likely a randomised slate policy is to put a candidate at a position."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


def position_marginals(
    slates: Integers, probabilities: Floats, num_candidates: int, exploration_ratio: float | Floats
) -> Floats:
    """Return P(candidate i at position j) as `(…, n, k)`: (1−ε)·Σₛ pₛ·[slateₛⱼ = i] + ε/n.

    `slates` `(…, m, k)` and `probabilities` `(…, m)` are mixtures of as many requests as the leading axes
    have, ε `(…)`; with probability ε the slate is drawn uniformly from all n!/(n−k)! slates instead, which
    puts each candidate at each position with 1/n.
    """
    _check_mixture(slates, probabilities, num_candidates, exploration_ratio)
    many, (m, k) = slates.shape[:-2], slates.shape[-2:]
    num_mixtures = math.prod(many)
    mixture = np.arange(num_mixtures)[:, None, None]
    cells = (mixture * num_candidates + slates.reshape(num_mixtures, m, k)) * k + np.arange(k)
    shares = np.broadcast_to(probabilities.reshape(num_mixtures, m, 1), cells.shape)
    served = np.bincount(cells.ravel(), shares.ravel(), num_mixtures * num_candidates * k)
    ratio = np.asarray(exploration_ratio)[..., None, None]
    found: Floats = (1 - ratio) * served.reshape(*many, num_candidates, k) + ratio / num_candidates
    return found


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
    mixture: tuple[Integers, Floats], num_candidates: int, exploration_ratio: float | Floats, shown: Integers
) -> Floats:
    """Return P(positions 0 … j hold what `shown` `(…, k)` has there), `(…, k)`; the last is of the slate.

    (1−ε)·Σₛ pₛ·[s₀…ⱼ = shown₀…ⱼ] + ε·(n−j−1)!/n!, of the mixture's slates `(…, m, k)` and probabilities
    `(…, m)`; leading axes as in `position_marginals`.
    """
    slates, probabilities = mixture
    _check_mixture(slates, probabilities, num_candidates, exploration_ratio)
    if shown.shape != (*slates.shape[:-2], slates.shape[-1]):
        raise InvalidInputError(
            "shown.shape", shown.shape, f"must be {(*slates.shape[:-2], slates.shape[-1])}"
        )
    begins = np.logical_and.accumulate(slates == shown[..., None, :], axis=-1)
    served = (probabilities[..., None] * begins).sum(axis=-2)
    uniform = np.cumprod(1.0 / (num_candidates - np.arange(shown.shape[-1])))
    ratio = np.asarray(exploration_ratio)[..., None]
    found: Floats = (1 - ratio) * served + ratio * uniform
    return found


def worth_below(
    mixture: tuple[Integers, Floats], worth: Floats, exploration_ratio: float | Floats, shown: Integers
) -> Floats:
    """Return Vⱼ = E[Σ_{l ≥ j} worth of what stands at l | positions 0 … j−1 as in `shown`], `(…, k + 1)`.

    `worth` `(…, n, k)` is of each candidate at each position, `shown` `(…, k)`; leading axes as in
    `position_marginals`. Slates that begin so are weighed by their shares; the exploring share goes on
    uniformly over the candidates left. V_k = 0, and Vⱼ = 0 where the policy never begins so. With
    worth[shownⱼ, j] + Vⱼ₊₁ and Vⱼ these are Cascade-DR's baselines.
    """
    slates, probabilities = mixture
    num_candidates, k = worth.shape[-2:]
    begun = cascade_propensities(mixture, num_candidates, exploration_ratio, shown)
    at = np.take_along_axis(worth, slates, axis=-2)
    below = np.cumsum(at[..., ::-1], axis=-1)[..., ::-1]  # (…, m, k)
    begins = np.logical_and.accumulate(slates == shown[..., None, :], axis=-1)
    begins = np.concatenate((np.ones_like(begins[..., :1]), begins[..., :-1]), axis=-1)
    served = (probabilities[..., None] * begins * below).sum(axis=-2)
    stands_at = np.full(worth.shape[:-1], k)
    np.put_along_axis(stands_at, shown, np.broadcast_to(np.arange(k), shown.shape), axis=-1)
    left = (stands_at[..., None] >= np.arange(k)).astype(np.float64)  # (…, n, k): what is left at j
    # worth of position l, averaged over the candidates that are left at j: (…, j, l)
    mean = (left.swapaxes(-1, -2) @ worth) / left.sum(axis=-2)[..., None]
    chance = np.concatenate(([1.0], np.cumprod(1.0 / (num_candidates - np.arange(k - 1)))))
    explored = chance * np.triu(mean).sum(axis=-1)
    ratio = np.asarray(exploration_ratio)[..., None]
    total = (1 - ratio) * served + ratio * explored
    whole = np.concatenate((np.ones_like(begun[..., :1]), begun[..., :-1]), axis=-1)
    found = np.divide(total, whole, out=np.zeros_like(total), where=whole > 0)
    return np.concatenate((found, np.zeros_like(found[..., :1])), axis=-1)


def _check_mixture(
    slates: Integers, probabilities: Floats, num_candidates: int, exploration_ratio: float | Floats
) -> None:
    if slates.ndim < 2 or probabilities.shape != slates.shape[:-1]:
        raise InvalidInputError(
            "probabilities.shape", probabilities.shape, f"must be one a slate of {slates.shape}"
        )
    sums = probabilities.sum(axis=-1)
    if not np.isclose(sums, 1).all() or (probabilities < 0).any():
        worst = float(sums.flat[np.abs(sums - 1).argmax()])
        raise InvalidInputError("probabilities", worst, "must be ≥ 0 and sum to 1")
    if slates.min() < 0 or slates.max() >= num_candidates:
        raise InvalidInputError("slates", int(slates.max()), f"must index {num_candidates} candidates")
    ratios = np.asarray(exploration_ratio)
    if not ((ratios >= 0) & (ratios <= 1)).all():
        raise InvalidInputError("exploration_ratio", float(ratios.max()), "must lie in [0, 1]")
