"""Which creative each draw of a pool likes best, and how many draws agree; exact for spaces of any size."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numba import njit

from bandit.agreement import CUT, count_agreeing, elect, swings
from bandit.search import best_composition, pair_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bandit.features import IndexedSpace, RowArray
    from bandit.fm import FloatArray, Parameters

MAX_ENUMERATED = 1_000
"""Up to this many creatives are scored one by one for all draws; more are searched, draw by draw."""

MAX_NODES = 20_000
"""Nodes after which the search for a draw's best creative is cut short; some tens of milliseconds."""

MAX_TABLE_BYTES = 100_000_000
"""Larger tables of pairs, for one space, are not kept but made anew for each search."""


class Ballot(Protocol):
    """The votes of a pool in one context; creatives by their number in the feasible set."""

    @property
    def winners(self) -> NDArray[np.int64]:
        """The creative that each draw likes best, (M,)."""

    def winner(self, draw: int) -> int:
        """Finds the creative that a draw likes best."""

    def gap(self, draw: int) -> float:
        """How much better, in log odds, another creative could be under a draw: 0 if it is proven best."""

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
        totals = summed(self._pool.factors, context)
        return CountedBallot(self, totals) if self.is_enumerated else SearchedBallot(self, totals)

    @cached_property
    def compositions(self) -> RowArray:
        """Every creative as positions in the space's rows: (C, S)."""
        return self.space.compositions()

    @cached_property
    def own_scores(self) -> FloatArray:
        """The part of every creative's logit that no context changes: (C, M)."""
        scores: FloatArray = _own_scores(self.linear, self.factors, self.compositions)
        if self.space.composition_rows.size:
            scores += self._pool.linear[self.space.composition_rows]
        return scores

    @cached_property
    def by_draw(self) -> tuple[FloatArray, FloatArray]:
        """The elements' weights, draws first: linear (M, E), factors (M, E, K)."""
        return np.ascontiguousarray(self.linear.T), np.ascontiguousarray(self.factors.transpose(2, 0, 1))

    @cached_property
    def tables(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What `pair_tables` and `swings` make of the factors, for as long as it fits into memory."""
        factors = self.by_draw[1]
        num_draws, num_elements, _ = factors.shape
        if 8 * num_draws * num_elements**2 > MAX_TABLE_BYTES:
            return np.empty((0, 0, 0)), np.empty((0, 0)), np.empty((0, 0))
        return *pair_tables(factors, self.space.offsets), swings(self.factors, self.space.offsets)

    @cached_property
    def constraints(self) -> tuple[RowArray, RowArray]:
        """Offsets (S + 1,) of the slots and rules (R, S) of the feasible set."""
        offsets = self.space.offsets
        return offsets, np.array(self.space.feasible.rules, np.int32).reshape(-1, offsets.size - 1)


class CountedBallot:
    """Votes of a small space, all counted at once; the creative with the lower number wins a tie."""

    def __init__(self, pooled: PooledSpace, totals: FloatArray) -> None:
        self.winners = _winners(pooled.own_scores, pooled.factors, pooled.compositions, totals)

    def winner(self, draw: int) -> int:
        """Finds the creative that a draw likes best."""
        return int(self.winners[draw])

    def gap(self, draw: int) -> float:  # noqa: ARG002 — every creative was scored
        """Is 0."""
        return 0.0

    def votes(self, creative: int) -> int:
        """Counts the draws that like a creative best."""
        return int(np.count_nonzero(self.winners == creative))


class SearchedBallot:
    """Votes of a large space, found when asked for and remembered.

    A draw's best creative is searched by branch and bound. To count the draws that agree with it, those that
    gain by changing a single element are passed over; only the rest are searched, and not all of it. Where
    a search is cut short, the draw votes for the best that it has met, and all draws are searched.
    """

    def __init__(self, pooled: PooledSpace, totals: FloatArray) -> None:
        self._pooled = pooled
        self._draws = (pooled.linear, pooled.factors, *pooled.by_draw, totals)
        # Threads may find the same entry twice; both find the same.
        self._found: dict[int, tuple[int, float]] = {}
        self._votes: dict[int, int] = {}

    @cached_property
    def winners(self) -> NDArray[np.int64]:
        """The creative that each draw likes best, (M,): a search for each."""
        return np.array([self._searched(draw)[0] for draw in range(self._pooled.linear.shape[1])], np.int64)

    def winner(self, draw: int) -> int:
        """Finds the creative that a draw likes best, or the best met within MAX_NODES."""
        if draw not in self._found:
            pooled = self._pooled
            best, gap, count = elect(self._draws, pooled.tables, pooled.constraints, draw, MAX_NODES)
            creative = pooled.space.feasible.number(tuple(best.tolist()))
            if count != CUT:
                self._votes[creative] = count
            self._found[draw] = creative, gap
        return self._found[draw][0]

    def gap(self, draw: int) -> float:
        """How much better, in log odds, another creative could be under a draw: 0 if it is proven best."""
        self.winner(draw)
        return self._found[draw][1]

    def votes(self, creative: int) -> int:
        """Counts the draws that vote for a creative."""
        if creative not in self._votes:
            pooled = self._pooled
            composition = np.array(pooled.space.feasible.composition(creative), np.int32)
            count = CUT
            if not any(gap for _, gap in self._found.values()):
                tables, rules = pooled.tables, pooled.constraints
                count = count_agreeing(self._draws, tables, rules, composition, MAX_NODES)
            self._votes[creative] = int(np.sum(self.winners == creative)) if count == CUT else count
        return self._votes[creative]

    def _searched(self, draw: int) -> tuple[int, float]:
        if draw not in self._found:
            pooled, totals = self._pooled, np.ascontiguousarray(self._draws[4].T)
            draws = (*pooled.by_draw, totals)
            best, gap = best_composition(draws, pooled.tables[:2], draw, pooled.constraints, MAX_NODES)
            self._found[draw] = pooled.space.feasible.number(tuple(best.tolist())), gap
        return self._found[draw]


@njit(nogil=True, cache=True)
def summed(factors: FloatArray, rows: RowArray) -> FloatArray:
    """Adds up the factors of some rows: (K, M)."""
    totals = np.zeros(factors.shape[1:])
    for row in rows:
        totals += factors[row]
    return totals


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
    own_scores: FloatArray,
    factors: FloatArray,
    compositions: RowArray,
    totals: FloatArray,
) -> NDArray[np.int64]:
    """Best composition of each draw (M,); `own_scores` hold all but what the context adds to elements."""
    num_elements, num_factors, num_draws = factors.shape
    added = np.zeros((num_elements, num_draws))
    for element in range(num_elements):
        for k in range(num_factors):
            for m in range(num_draws):
                added[element, m] += factors[element, k, m] * totals[k, m]
    num_slots = compositions.shape[1]
    # partial[s]: what the first s slots bring. Compositions are sorted, so most share all but the last slot.
    partial = np.zeros((num_slots, num_draws))
    best, best_score = np.zeros(num_draws, np.int64), np.full(num_draws, -np.inf)
    for c in range(len(compositions)):
        first = 0
        while c > 0 and first < num_slots - 1 and compositions[c, first] == compositions[c - 1, first]:
            first += 1
        for s in range(first, num_slots - 1):
            for m in range(num_draws):
                partial[s + 1, m] = partial[s, m] + added[compositions[c, s], m]
        last = compositions[c, num_slots - 1]
        # The draws are innermost, so that the machine takes several at once.
        for m in range(num_draws):
            score = own_scores[c, m] + partial[num_slots - 1, m] + added[last, m]
            better = score > best_score[m]
            best_score[m] = score if better else best_score[m]
            best[m] = c if better else best[m]
    return best
