"""Best creative of every draw: the context collapses into linear terms, then every composition is scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from bandit.features import IndexedSpace, RowArray
    from bandit.fm import FloatArray, Parameters


@dataclass(frozen=True)
class ScoredSpace:
    """What M draws say about a creative space before the context is known.

    `elements` (M, E, K) are the factors of the space's elements, `own_scores` (M, C) the part of each
    composition's logit that no context changes: Σ_s w_s + Σ_{s<t} ⟨v_s, v_t⟩ over its elements.
    """

    elements: FloatArray
    own_scores: FloatArray
    compositions: RowArray

    @classmethod
    def of(cls, draws: Parameters, space: IndexedSpace) -> ScoredSpace:
        """Scores the compositions of a space under draws with leading axis M."""
        elements = np.ascontiguousarray(draws.factors[:, space.elements])
        linear = np.ascontiguousarray(draws.linear[:, space.elements])
        return cls(elements, _own_scores(linear, elements, space.compositions), space.compositions)

    def winners(self, draws: Parameters, context: RowArray) -> RowArray:
        """Finds each draw's best composition (M,) for the context's rows; the first one wins a tie.

        Terms without an element are the same for all compositions and left out.
        """
        return _winners(self.elements, self.own_scores, self.compositions, draws.factors, context)


@njit(nogil=True, cache=True)
def _own_scores(linear: FloatArray, elements: FloatArray, compositions: RowArray) -> FloatArray:
    num_draws, num_elements, num_factors = elements.shape
    num_compositions, num_slots = compositions.shape
    scores = np.zeros((num_draws, num_compositions))
    pairs = np.zeros((num_elements, num_elements))
    for m in range(num_draws):
        for i in range(num_elements):
            for j in range(i):
                product = 0.0
                for k in range(num_factors):
                    product += elements[m, i, k] * elements[m, j, k]
                pairs[i, j] = product
                pairs[j, i] = product
        for c in range(num_compositions):
            score = 0.0
            for s in range(num_slots):
                first = compositions[c, s]
                score += linear[m, first]
                for t in range(s):
                    score += pairs[first, compositions[c, t]]
            scores[m, c] = score
    return scores


@njit(nogil=True, cache=True)
def _winners(
    elements: FloatArray,
    own_scores: FloatArray,
    compositions: RowArray,
    factors: FloatArray,
    context: RowArray,
) -> RowArray:
    num_draws, num_elements, num_factors = elements.shape
    num_compositions, num_slots = compositions.shape
    best = np.zeros(num_draws, np.int32)
    linear = np.zeros(num_elements)
    total = np.zeros(num_factors)
    for m in range(num_draws):
        total[:] = 0.0
        for row in context:
            for k in range(num_factors):
                total[k] += factors[m, row, k]
        for i in range(num_elements):
            product = 0.0
            for k in range(num_factors):
                product += elements[m, i, k] * total[k]
            linear[i] = product
        best_score = -np.inf
        for c in range(num_compositions):
            score = own_scores[m, c]
            for s in range(num_slots):
                score += linear[compositions[c, s]]
            if score > best_score:
                best_score = score
                best[m] = c
    return best
