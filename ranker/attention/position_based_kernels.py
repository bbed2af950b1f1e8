"""The loops of the position-based model over items and their cells.

a_j = attention of position j, γ_i = attractiveness of item i, p = a_j·γ_i; cells are those of `Counts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.attention.kernel import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Cells: TypeAlias = tuple[Ints, Ints, Floats, Floats]
    Prior: TypeAlias = tuple[float, float]

MAX_INNER_STEPS = 60


@kernel
def em_step(cells: Cells, attention: Floats, gamma: Floats) -> None:
    """Moves attention (k,) and gamma (num_items,) in place by one step of expectation–maximisation.

    A skip was looked at with probability a(1 − γ)/(1 − aγ) and attractive with γ(1 − a)/(1 − aγ); both new
    values are the means of those expectations and of the clicks.
    """
    starts, position, impressions, clicks = cells
    looked = np.zeros(len(attention))
    shown = np.zeros(len(attention))
    for i in range(len(starts) - 1):
        liked, total = 0.0, 0.0
        for c in range(starts[i], starts[i + 1]):
            a = attention[position[c]]
            skips = impressions[c] - clicks[c]
            rest = 1.0 - a * gamma[i]
            looked[position[c]] += clicks[c]
            liked += clicks[c]
            if skips > 0.0 and rest > 0.0:
                looked[position[c]] += skips * a * (1.0 - gamma[i]) / rest
                liked += skips * gamma[i] * (1.0 - a) / rest
            shown[position[c]] += impressions[c]
            total += impressions[c]
        if total > 0.0:
            gamma[i] = liked / total
    for j in range(len(attention)):
        if shown[j] > 0.0:
            attention[j] = looked[j] / shown[j]


@kernel
def log_likelihood(cells: Cells, attention: Floats, gamma: Floats) -> float:
    """Returns Σ c·log p + (n − c)·log(1 − p)."""
    starts, position, impressions, clicks = cells
    total = 0.0
    for i in range(len(starts) - 1):
        for c in range(starts[i], starts[i + 1]):
            p = attention[position[c]] * gamma[i]
            if clicks[c] > 0.0:
                total += clicks[c] * np.log(p)
            if impressions[c] > clicks[c]:
                total += (impressions[c] - clicks[c]) * np.log1p(-p)
    return total


@kernel
def _score(cells: Cells, attention: Floats, item: tuple[int, float, float, float]) -> tuple[float, float]:
    """Returns f(γ) = C − s₀·γ/(1 − γ) − Σ (n − c)·p/(1 − p) and −f′(γ)·γ of item (i, C, s₀, γ)."""
    starts, position, impressions, clicks = cells
    i, score, prior_skips, value = item
    slope = 0.0
    if prior_skips > 0.0:
        score -= prior_skips * value / (1.0 - value)
        slope += prior_skips * value / (1.0 - value) ** 2
    for c in range(starts[i], starts[i + 1]):
        if impressions[c] > clicks[c]:
            p = attention[position[c]] * value
            odds = (impressions[c] - clicks[c]) * p / (1.0 - p)
            score -= odds
            slope += odds / (1.0 - p)
    return score, slope


@kernel
def best_attractiveness(cells: Cells, attention: Floats, gamma: Floats, prior: Prior) -> None:
    """Sets gamma (num_items,) to the maximum of the likelihood at this attention, which is at most 1.

    `prior` is (c₀, s₀), clicks and skips at full attention that every item is given. The root of f, which
    falls in γ: Newton in log γ inside a bracket; 1 where f(1) ≥ 0. Items never shown keep their value
    unless there is a prior.
    """
    starts, position, impressions, clicks = cells
    for i in range(len(starts) - 1):
        total = prior[0] + clicks[starts[i] : starts[i + 1]].sum()
        expected = prior[0] + prior[1]
        for c in range(starts[i], starts[i + 1]):
            expected += impressions[c] * attention[position[c]]
        if expected == 0.0:
            continue
        if total == 0.0:
            gamma[i] = 0.0
            continue
        if _score(cells, attention, (i, total, prior[1], 1.0))[0] >= 0.0:
            gamma[i] = 1.0
            continue
        low, high = 0.0, 1.0
        value = min(total / expected, 0.999)
        for _ in range(MAX_INNER_STEPS):
            score, slope = _score(cells, attention, (i, total, prior[1], value))
            if score > 0.0:
                low = value
            else:
                high = value
            moved = value * np.exp(min(score / slope, 1.0))
            if not low < moved < high:
                moved = (low + high) / 2.0
            done = abs(moved - value) <= 1e-14 * value
            value = moved
            if done:
                break
        gamma[i] = value


@kernel
def profile(cells: Cells, attention: Floats, gamma: Floats) -> tuple[Floats, Floats]:
    """Returns score (k,) and information (k, k) in log attention, gamma at its best for this attention.

    With w = (n − c)·p/(1 − p)²: I = diag(Σᵢ w_ij) − Σᵢ wᵢ·wᵢᵀ / Σ_j w_ij, the Schur complement of log γ.
    An item whose γ is at 1 cannot give way: its second term is missing.
    """
    starts, position, impressions, clicks = cells
    k = len(attention)
    score = np.zeros(k)
    information = np.zeros((k, k))
    weights = np.zeros(k)
    for i in range(len(starts) - 1):
        if gamma[i] <= 0.0:
            continue
        first, last = starts[i], starts[i + 1]
        free = gamma[i] < 1.0
        total = 0.0
        for c in range(first, last):
            j = position[c]
            p = attention[j] * gamma[i]
            skips = impressions[c] - clicks[c]
            odds = skips * p / (1.0 - p) if skips > 0.0 else 0.0
            weights[c - first] = odds / (1.0 - p) if skips > 0.0 else 0.0
            score[j] += clicks[c] - odds
            information[j, j] += weights[c - first]
            total += weights[c - first]
        if free and total > 0.0:
            for b in range(first, last):
                for c in range(first, last):
                    information[position[b], position[c]] -= weights[b - first] * weights[c - first] / total
    return score, information
