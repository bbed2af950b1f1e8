"""Served policies of many requests: `ranker.exploration.ExploredMixture` on arrays, to the last bit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ExploredMixtures:
    """π of B requests with n candidates each; slates from a request's `sizes` on have probability 0."""

    slates: Indices  # (B, S, k)
    probabilities: Floats  # (B, S)
    sizes: Indices  # (B,)
    num_candidates: int
    ratios: Floats  # (B,)

    def draw(self, uniforms: Floats) -> Indices:
        """Returns the slate `(B, k)` that u `(B,)` picks of each: that of min{i : u < Σ_{h≤i} p_h}."""
        ends = np.cumsum(self.probabilities, axis=1)
        # The last one: probabilities sum to 1 within rounding, and u may lie in that last sliver.
        places = np.minimum((uniforms[:, None] >= ends).sum(axis=1), self.sizes - 1)
        drawn: Indices = self.slates[np.arange(len(places)), places]
        return drawn

    def propensities(self, slates: Indices) -> tuple[Floats, Floats]:
        """Returns π(slate) `(B,)` and P(slate[j] stands at position j) `(B, k)` of `slates` `(B, k)`."""
        n, k = self.num_candidates, slates.shape[1]
        served, standing = np.zeros(len(slates)), np.empty(slates.shape)
        # Mixtures of one size together: products of the very shape that one request has.
        for size in np.unique(self.sizes).tolist():
            rows = np.flatnonzero(self.sizes == size)
            same = self.slates[rows, :size] == slates[rows, None]
            chances = self.probabilities[rows, :size]
            standing[rows] = np.matmul(chances[:, None, :], same.astype(np.float64))[:, 0]
            whole = same.all(axis=2)
            served[rows] = (chances * whole).sum(axis=1)
            for b in np.flatnonzero(whole.sum(axis=1) > 1).tolist():  # a sum depends on its order
                served[rows[b]] = chances[b][whole[b]].sum()
        uniform = math.exp(math.lgamma(n - k + 1) - math.lgamma(n + 1))
        ratios = self.ratios[:, None]
        marginals: Floats = (1.0 - ratios) * standing + ratios / n
        return (1.0 - self.ratios) * served + self.ratios * uniform, marginals
