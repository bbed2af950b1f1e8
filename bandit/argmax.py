"""Which creative each draw of a pool likes best, and how many draws agree; exact for spaces of any size."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numba import njit

from bandit.search import best_composition, count_agreeing, pair_tables

if TYPE_CHECKING:
    from bandit.features import IndexedSpace, RowArray
    from bandit.fm import FloatArray, Parameters

MAX_ENUMERATED = 1_000
"""Up to this many creatives are scored one by one for all draws; more are searched, draw by draw."""

MAX_TABLE_BYTES = 100_000_000
"""Larger tables of pairs, for one space, are not kept but made anew for each search."""


class Ballot(Protocol):
    """The votes of a pool in one context; creatives by their number in the feasible set."""

    def winner(self, draw: int) -> int:
        """Finds the creative that a draw likes best."""

    def votes(self, creative: int) -> int:
        """Counts the draws that like a creative best."""


class DrawPool:
    """M frozen draws, the draws last: linear (D, M), factors (D, K, M)."""

    def __init__(self, draws: Parameters) -> None:
        self.linear = np.ascontiguousarray(draws.linear.T)
        self.factors = np.ascontiguousarray(draws.factors.transpose(1, 2, 0))


class PooledSpace:
    """A creative space under a pool of draws, before the context is known."""

    def __init__(self, pool: DrawPool, space: IndexedSpace) -> None:
        self.space = space
        self.linear = pool.linear[space.rows]
        self.factors = pool.factors[space.rows]
        self._pool = pool

    @property
    def is_enumerated(self) -> bool:
        """Whether all creatives are scored, rather than searched."""
        return self.space.feasible.count <= MAX_ENUMERATED

    def ballot(self, context: RowArray) -> Ballot:
        """Opens the ballot for the context's rows."""
        # Elements see only the sum of the context's factors; its other terms are the same for all creatives.
        totals = self._pool.factors[context].sum(axis=0)
        return CountedBallot(self, totals) if self.is_enumerated else SearchedBallot(self, totals)

    @cached_property
    def compositions(self) -> RowArray:
        """Every creative as positions in the space's rows: (C, S)."""
        return self.space.compositions()

    @cached_property
    def own_scores(self) -> FloatArray:
        """The part of every creative's logit that no context changes: (C, M)."""
        scores: FloatArray = _own_scores(self.linear, self.factors, self.compositions)
        return scores

    @cached_property
    def by_draw(self) -> tuple[FloatArray, FloatArray]:
        """The elements' weights, draws first: linear (M, E), factors (M, E, K)."""
        return np.ascontiguousarray(self.linear.T), np.ascontiguousarray(self.factors.transpose(2, 0, 1))

    @cached_property
    def tables(self) -> tuple[FloatArray, FloatArray]:
        """The pairs of elements under every draw, for as long as they fit into memory."""
        factors = self.by_draw[1]
        num_draws, num_elements, _ = factors.shape
        if 8 * num_draws * num_elements**2 > MAX_TABLE_BYTES:
            return np.empty((0, 0, 0)), np.empty((0, 0))
        tables: tuple[FloatArray, FloatArray] = pair_tables(factors, self.space.offsets)
        return tables

    @cached_property
    def constraints(self) -> tuple[RowArray, RowArray]:
        """Offsets (S + 1,) of the slots and rules (R, S) of the feasible set."""
        offsets = self.space.offsets
        return offsets, np.array(self.space.feasible.rules, np.int32).reshape(-1, offsets.size - 1)


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
        self._totals = np.ascontiguousarray(totals.T)
        # Threads may find the same entry twice; both find the same.
        self._winners: dict[int, int] = {}
        self._votes: dict[int, int] = {}

    def winner(self, draw: int) -> int:
        """Finds the creative that a draw likes best."""
        if draw not in self._winners:
            pooled = self._pooled
            draws = (*pooled.by_draw, self._totals)
            best = best_composition(draws, pooled.tables, draw, pooled.constraints, -np.inf)
            self._winners[draw] = pooled.space.feasible.number(tuple(best.tolist()))
        return self._winners[draw]

    def votes(self, creative: int) -> int:
        """Counts the draws that like a creative best."""
        if creative not in self._votes:
            pooled = self._pooled
            draws = (*pooled.by_draw, self._totals)
            composition = np.array(pooled.space.feasible.composition(creative), np.int32)
            self._votes[creative] = count_agreeing(draws, pooled.tables, pooled.constraints, composition)
        return self._votes[creative]


@njit(nogil=True, cache=True)
def _own_scores(linear: FloatArray, factors: FloatArray, compositions: RowArray) -> FloatArray:
    num_factors, num_draws = factors.shape[1:]
    scores = np.zeros((len(compositions), num_draws))
    total = np.zeros((num_factors, num_draws))
    for c in range(len(compositions)):
        total[:] = 0.0
        # Σ_{s<t} ⟨v_s, v_t⟩ = Σ_t ⟨Σ_{s<t} v_s, v_t⟩
        for element in compositions[c]:
            scores[c] += linear[element]
            for k in range(num_factors):
                scores[c] += total[k] * factors[element, k]
                total[k] += factors[element, k]
    return scores


@njit(nogil=True, cache=True)
def _winners(
    own_scores: FloatArray, factors: FloatArray, compositions: RowArray, totals: FloatArray
) -> RowArray:
    num_elements, num_factors, num_draws = factors.shape
    linear = np.zeros((num_elements, num_draws))
    for element in range(num_elements):
        for k in range(num_factors):
            for m in range(num_draws):
                linear[element, m] += factors[element, k, m] * totals[k, m]
    best, best_score = np.zeros(num_draws, np.int32), np.full(num_draws, -np.inf)
    score = np.zeros(num_draws)
    for c in range(len(compositions)):
        # The draws are innermost, so that the machine takes several at once.
        for m in range(num_draws):
            score[m] = own_scores[c, m]
        for s in range(compositions.shape[1]):
            element = compositions[c, s]
            for m in range(num_draws):
                score[m] += linear[element, m]
        for m in range(num_draws):
            if score[m] > best_score[m]:
                best_score[m] = score[m]
                best[m] = c
    return best
