"""How likely a Plackett–Luce policy is to show a slate, its beginning, or an item at a position.

Position after position, an item is drawn among those left with probability wₐ / Σ w, w = exp(score).
Source: Plackett (1975), "The analysis of permutations", section 2.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

# Numbers held at once by the dynamic programme, and the subsets up to which it is the way to go.
_HELD = 2_000_000
MAX_SUBSETS = 20_000


def cascade_propensities(scores: Floats, slates: Integers) -> Floats:
    """Return P(items 0 … j of the slate, in this order), `(n, k)`; the last column is that of the slate.

    ∏ₗ≤ⱼ w(rₗ) / Σ w over the items not above l; `scores` `(n, A)`, `slates` `(n, k)`.
    """
    left = _weights(scores, slates.shape[-1])
    _check_slates(slates, scores.shape)
    rows = np.arange(len(scores))
    chances = np.empty(slates.shape)
    for j in range(slates.shape[1]):
        chosen = left[rows, slates[:, j]]
        # The sum of what is left, not the total less what is gone: that would cancel.
        chances[:, j] = chosen / left.sum(axis=1)
        left[rows, slates[:, j]] = 0.0
    return np.asarray(np.cumprod(chances, axis=1), dtype=np.float64)


def position_marginals_by_subsets(scores: Floats, num_positions: int) -> Floats:
    """Return P(item a at position j), `(n, A, k)`, exactly, from the chances of each set to stand above.

    P(S) = Σₐ∈S P(S∖a)·wₐ / Σ_{b∉S∖a} w_b over sets of at most k − 1 items: Σⱼ (A choose j) of them instead of
    A!/(A − k)! slates.
    """
    weights = _weights(scores, num_positions)
    step = max(_HELD // comb(weights.shape[1], max(num_positions - 1, 0)), 1)
    found = np.empty((*weights.shape, num_positions))
    for start in range(0, len(weights), step):
        found[start : start + step] = _by_subsets(weights[start : start + step], num_positions)
    return found


def position_marginals_by_integral(
    scores: Floats, num_positions: int, *, spacing: float = 0.08
) -> tuple[Floats, Floats]:
    """Return P(item a at position j), `(n, A, k)`, for any number of items, and an error bound `(n,)`.

    Items arrive at independent exponential times with rates w; a stands at j when exactly j others came
    before it: ∫ wₐe^(−wₐt)·P(exactly j of the others by t) dt. Trapezoidal rule in s with t = exp(s − e⁻ˢ),
    which converges exponentially; the bound is the largest change that doubling the spacing makes.
    Source: the race of Luce (1959), "Individual choice behavior"; Takahasi and Mori (1974), "Double
    exponential formulas for numerical integration".
    """
    weights = _weights(scores, num_positions)
    found = np.empty((*weights.shape, num_positions))
    bound = np.empty(len(weights))
    last = np.log(750.0 / weights.min(initial=1.0, where=weights > 0))
    s = np.arange(-4.8, last + 2 * spacing, spacing)
    times, lengths = np.exp(s - np.exp(-s)), (1 + np.exp(-s)) * np.exp(s - np.exp(-s)) * spacing
    for i, row in enumerate(weights):
        density = _arrivals(row, times, num_positions) * lengths[:, None, None]
        found[i] = density.sum(axis=0)
        bound[i] = np.abs(found[i] - 2 * density[::2].sum(axis=0)).max()
    return found, bound


def position_propensities(scores: Floats, slates: Integers) -> Floats:
    """Return P(slate[j] at position j), `(n, k)`: by subsets where they are few, else by the integral."""
    _check_slates(slates, scores.shape)
    k = slates.shape[1]
    if sum(comb(scores.shape[1], j) for j in range(k)) <= MAX_SUBSETS:
        marginals = position_marginals_by_subsets(scores, k)
    else:
        marginals, _ = position_marginals_by_integral(scores, k)
    found: Floats = np.take_along_axis(marginals, slates[:, None, :], axis=1)[:, 0]
    return found


@lru_cache(maxsize=16)
def _subsets(num_items: int, size: int) -> tuple[Floats, Integers, Integers]:
    """Return who is outside each set `(C, A)`; by member, its item and the number of the set without it."""
    sets = list(combinations(range(num_items), size))
    smaller = {s: i for i, s in enumerate(combinations(range(num_items), size - 1))} if size else {}
    outside = np.ones((len(sets), num_items))
    for i, members in enumerate(sets):
        outside[i, list(members)] = 0.0
    items = np.array(sets, dtype=np.int64).reshape(len(sets), size)
    parents = [[smaller[s[:m] + s[m + 1 :]] for m in range(size)] for s in sets]
    return outside, items, np.array(parents, dtype=np.int64).reshape(len(sets), size)


def _by_subsets(weights: Floats, num_positions: int) -> Floats:
    n, num_items = weights.shape
    found = np.empty((n, num_items, num_positions))
    per_weight = np.empty((n, 0))
    for size in range(num_positions):
        outside, items, parents = _subsets(num_items, size)
        if size == 0:
            chance = np.ones((n, 1))
        else:
            chance = np.zeros((n, len(items)))
            for m in range(size):
                chance += per_weight[:, parents[:, m]] * weights[:, items[:, m]]
        per_weight = chance / (weights @ outside.T)  # P(S) / Σ of the weights outside S
        found[:, :, size] = weights * (per_weight @ outside)
    return found


def _arrivals(weights: Floats, times: Floats, num_positions: int) -> Floats:
    """Return wₐe^(−wₐt)·P(exactly j others by t), `(T, A, k)`."""
    num_items = weights.size
    late = np.exp(-weights * times[:, None])  # (T, A), not yet there
    early = -np.expm1(-weights * times[:, None])
    # How many of the items before a and of those after it: combined, the others, without a division.
    before = np.zeros((num_items + 1, num_positions, times.size))
    after = np.zeros_like(before)
    before[0, 0] = after[num_items, 0] = 1.0
    for a in range(num_items):
        before[a + 1] = before[a] * late[:, a]
        before[a + 1, 1:] += before[a, :-1] * early[:, a]
    for a in reversed(range(num_items)):
        after[a] = after[a + 1] * late[:, a]
        after[a, 1:] += after[a + 1, :-1] * early[:, a]
    found = np.zeros((times.size, num_items, num_positions))
    for j in range(num_positions):
        others = sum(before[:-1, m] * after[1:, j - m] for m in range(j + 1))
        found[:, :, j] = weights * late * np.asarray(others).T
    return found


def _weights(scores: Floats, num_positions: int) -> Floats:
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise InvalidInputError("scores.shape", scores.shape, "must be (n, A) with at least one item")
    check_column("scores", scores, scores.shape)
    if not 1 <= num_positions <= scores.shape[1]:
        raise InvalidInputError("num_positions", num_positions, f"must lie in 1 … {scores.shape[1]}")
    shifted = scores - scores.max(axis=1, keepdims=True)
    if shifted.min(initial=0.0) < -690:
        raise InvalidInputError(
            "scores", float(shifted.min()), "lies more than 690 below the best: no chance left"
        )
    weights: Floats = np.exp(shifted)
    return weights


def _check_slates(slates: Integers, shape: tuple[int, ...]) -> None:
    if slates.ndim != 2 or slates.shape[0] != shape[0] or slates.shape[1] > shape[1]:
        raise InvalidInputError("slates.shape", slates.shape, f"must be (n, k) for scores of {shape}")
    if slates.size and (slates.min() < 0 or slates.max() >= shape[1]):
        raise InvalidInputError("slates", int(slates.max()), f"must index {shape[1]} items")
    ordered = np.sort(slates, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if twice.any():
        i = int(np.argmax(twice))
        raise InvalidInputError(f"slates[{i}]", slates[i].tolist(), "shows an item twice")
