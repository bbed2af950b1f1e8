"""Which creative each draw of a pool likes best, and how many draws agree; exact for spaces of any size."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numba import njit

from bandit.search import best_composition, count_agreeing

if TYPE_CHECKING:
    from bandit.features import IndexedSpace, RowArray
    from bandit.fm import FloatArray, Parameters

MAX_ENUMERATED = 1_000
"""Up to this many creatives are scored one by one for all draws; more are searched, draw by draw."""


class Ballot(Protocol):
    """The votes of a pool in one context; creatives by their number in the feasible set."""

    def winner(self, draw: int) -> int:
        """Finds the creative that a draw likes best."""

    def votes(self, creative: int) -> int:
        """Counts the draws that like a creative best."""


class PooledSpace:
    """A creative space under M draws, before the context is known."""

    def __init__(self, draws: Parameters, space: IndexedSpace) -> None:
        self.space = space
        self.linear = np.ascontiguousarray(draws.linear[:, space.rows])
        self.factors = np.ascontiguousarray(draws.factors[:, space.rows])
        self.rules = np.array(space.feasible.rules, np.int32).reshape(-1, space.offsets.size - 1)
        self._draws = draws

    @property
    def is_enumerated(self) -> bool:
        """Whether all creatives are scored, rather than searched."""
        return self.space.feasible.count <= MAX_ENUMERATED

    def ballot(self, context: RowArray) -> Ballot:
        """Opens the ballot for the context's rows."""
        # Elements see only the sum of the context's factors; its other terms are the same for all creatives.
        totals = self._draws.factors[:, context].sum(axis=1)
        return CountedBallot(self, totals) if self.is_enumerated else SearchedBallot(self, totals)

    @cached_property
    def compositions(self) -> RowArray:
        """Every creative as positions in the space's rows: (C, S)."""
        return self.space.compositions()

    @cached_property
    def own_scores(self) -> FloatArray:
        """The part of every creative's logit that no context changes: (M, C)."""
        scores: FloatArray = _own_scores(self.linear, self.factors, self.compositions)
        return scores


class CountedBallot:
    """Votes of a small space, all counted at once; the creative with the lower number wins a tie."""

    def __init__(self, pooled: PooledSpace, totals: FloatArray) -> None:
        self.winners: RowArray = _winners(pooled.own_scores, pooled.factors, pooled.compositions, totals)
        self.counts = np.bincount(self.winners, minlength=pooled.space.feasible.count)

    def winner(self, draw: int) -> int:
        """Finds the creative that a draw likes best."""
        return int(self.winners[draw])

    def votes(self, creative: int) -> int:
        """Counts the draws that like a creative best."""
        return int(self.counts[creative])


class SearchedBallot:
    """Votes of a large space, found when asked for and remembered.

    A draw's best creative is searched by branch and bound. To count the draws that agree with it, those that
    gain by changing a single element are passed over; only the rest are searched.
    """

    def __init__(self, pooled: PooledSpace, totals: FloatArray) -> None:
        self._pooled = pooled
        self._totals = totals
        # Threads may find the same entry twice; both find the same.
        self._winners: dict[int, int] = {}
        self._votes: dict[int, int] = {}

    def winner(self, draw: int) -> int:
        """Finds the creative that a draw likes best."""
        if draw not in self._winners:
            pooled = self._pooled
            composition = best_composition(
                pooled.linear[draw],
                pooled.factors[draw],
                self._totals[draw],
                pooled.space.offsets,
                pooled.rules,
            )
            self._winners[draw] = pooled.space.feasible.number(tuple(composition.tolist()))
        return self._winners[draw]

    def votes(self, creative: int) -> int:
        """Counts the draws that like a creative best."""
        if creative not in self._votes:
            pooled = self._pooled
            composition = np.array(pooled.space.feasible.composition(creative), np.int32)
            self._votes[creative] = count_agreeing(
                (pooled.linear, pooled.factors, self._totals), pooled.space.offsets, pooled.rules, composition
            )
        return self._votes[creative]


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
    own_scores: FloatArray, elements: FloatArray, compositions: RowArray, totals: FloatArray
) -> RowArray:
    num_draws, num_elements, num_factors = elements.shape
    num_compositions, num_slots = compositions.shape
    best = np.zeros(num_draws, np.int32)
    linear = np.zeros(num_elements)
    for m in range(num_draws):
        for i in range(num_elements):
            product = 0.0
            for k in range(num_factors):
                product += elements[m, i, k] * totals[m, k]
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
