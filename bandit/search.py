"""Best creative of a large space under one draw: branch and bound, exact unless it is cut short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bandit.features import RowArray
    from bandit.fm import FloatArray

ROUNDING = 1e-9
"""More than two ways of adding up a score can differ by."""

NODES_A_LOOK = 500
"""Nodes between two looks at the clock."""

State: TypeAlias = (
    "tuple[FloatArray, FloatArray, FloatArray, FloatArray, RowArray, RowArray, NDArray[np.int64], FloatArray]"
)
"""given (S, E), open (S, n), score (S + 1,), beyond (S,), partial (S,), best (S,), depth and nodes (2,),
best score (1,)."""


@dataclass(frozen=True)
class Found:
    """The best composition that a search has met, (S,), and how much better another could still be."""

    composition: RowArray
    score: float
    bound: float
    num_nodes: int

    @property
    def exact(self) -> bool:
        """Whether no composition is better."""
        return self.bound <= self.score

    @property
    def gap(self) -> float:
        """How much better, at most, another composition is."""
        return max(0.0, self.bound - self.score)


def search(
    scores: tuple[FloatArray, FloatArray],
    space: tuple[RowArray, RowArray],
    max_nodes: int,
    is_late: Callable[[], bool] = lambda: False,
) -> Found:
    """Finds the feasible composition with the largest Σ_s l_s + Σ_{s<t} T_st, as far as it is let.

    Slots are filled in order. With slots < d filled, no completion beats

        score + Σ_{g ≥ d} max_{a ∈ g} [l_a + Σ_{s < d} T_sa + Σ_{h > g} max_{b ∈ h} T_ab],

    and elements are tried in the order of their terms in it. Exponential in the worst case; tens of nodes for
    machines as they are learned.

    Args:
        scores: l (E,) of the elements, T (E, E) of the pairs a, b with b in a later slot.
        space: offsets (S + 1,), the elements of slot s being offsets[s] … offsets[s + 1] − 1; rules (R, S),
            forbidden combinations of elements (counted within their slots), −1 for any.
        max_nodes: stop after so many nodes, but not before some feasible composition is met.
        is_late: asked every 500 nodes; stops the search likewise.

    Returns: elements counted within their slots. Some composition must be feasible.
    Source: Land and Doig (1960), An automatic method of solving discrete programming problems.
    """
    linear, pairs = scores
    offsets, rules = space
    reach = reach_of(pairs, offsets)
    state = begin(linear, reach, offsets, -np.inf)
    allowed = 0
    while True:
        allowed = min(allowed + NODES_A_LOOK, max_nodes)
        done = advance(state, (pairs, reach), offsets, rules, allowed)
        if done or allowed >= max_nodes or is_late():
            composition, depth_and_nodes, best_score = state[5], state[6], state[7]
            bound = upper_bound(state, offsets)
            return Found(composition, float(best_score[0]), float(bound), int(depth_and_nodes[1]))


@njit(nogil=True, cache=True)
def best_composition(
    draws: tuple[FloatArray, FloatArray, FloatArray],
    tables: tuple[FloatArray, FloatArray],
    draw: int,
    space: tuple[RowArray, RowArray],
    max_nodes: int,
) -> tuple[RowArray, float]:
    """Does `search` for one draw of many, with l_a = w_a + ⟨v_a, c⟩ and T_ab = ⟨v_a, v_b⟩.

    Args:
        draws: linear w (M, E), factors v (M, E, K), and c (M, K), the sum of the context's factors.
        tables: what `pair_tables` makes of the factors, or empty arrays to do without.
        draw: which of the M.
        space, max_nodes: as for `search`.

    Returns: composition (S,) and the gap, 0 where it is proven best.
    """
    linear, factors, totals = draws
    offsets, rules = space
    if len(tables[0]):
        pairs, reach = tables[0][draw], tables[1][draw]
    else:
        pairs = pairs_of(factors[draw], offsets)
        reach = reach_of(pairs, offsets)
    state = begin(collapsed(linear[draw], factors[draw], totals[draw]), reach, offsets, -np.inf)
    advance(state, (pairs, reach), offsets, rules, max_nodes)
    return state[5], max(0.0, upper_bound(state, offsets) - state[7][0])


@njit(nogil=True, cache=True)
def pair_tables(factors: FloatArray, offsets: RowArray) -> tuple[FloatArray, FloatArray]:
    """Tabulates what no context changes: ⟨v_a, v_b⟩ (M, E, E) and how far each element reaches (M, E)."""
    num_draws, num_elements = factors.shape[:2]
    pairs, reach = np.empty((num_draws, num_elements, num_elements)), np.empty((num_draws, num_elements))
    for m in range(num_draws):
        pairs[m] = pairs_of(factors[m], offsets)
        reach[m] = reach_of(pairs[m], offsets)
    return pairs, reach


@njit(nogil=True, cache=True)
def begin(linear: FloatArray, reach: FloatArray, offsets: RowArray, above: float) -> State:
    """Opens a search for what scores above a bound."""
    num_slots = len(offsets) - 1
    state = (
        np.zeros((num_slots, len(linear))),
        np.full((num_slots, np.max(offsets[1:] - offsets[:-1])), -np.inf),
        np.zeros(num_slots + 1),
        np.zeros(num_slots),
        np.zeros(num_slots, np.int32),
        np.zeros(num_slots, np.int32),
        np.zeros(2, np.int64),
        np.full(1, above),
    )
    state[0][0] = linear
    _enter(state, reach, offsets, 0)
    return state


@njit(nogil=True, cache=True)
def advance(
    state: State, tables: tuple[FloatArray, FloatArray], offsets: RowArray, rules: RowArray, max_nodes: int
) -> bool:
    """Searches on until nothing better is left or `max_nodes` are spent in total; says if it is done."""
    given, still_open, score, beyond, partial, best, marks, best_score = state
    pairs, reach = tables
    num_slots = len(offsets) - 1
    depth = marks[0]
    while depth >= 0:
        start, size = offsets[depth], offsets[depth + 1] - offsets[depth]
        # The first of equals, so that the winner is always the same.
        place = np.argmax(still_open[depth, :size])
        if score[depth] + still_open[depth, place] + beyond[depth] <= best_score[0]:
            depth -= 1
            continue
        if marks[1] >= max_nodes and best_score[0] > -np.inf:
            break
        marks[1] += 1
        still_open[depth, place] = -np.inf
        partial[depth] = place
        if forbidden(partial, depth + 1, rules):
            continue
        score[depth + 1] = score[depth] + given[depth, start + place]
        if depth + 1 == num_slots:
            if score[num_slots] > best_score[0]:
                best_score[0] = score[num_slots]
                best[:] = partial
            continue
        for a in range(offsets[depth + 1], offsets[num_slots]):
            given[depth + 1, a] = given[depth, a] + pairs[start + place, a]
        top = _enter(state, reach, offsets, depth + 1)
        if score[depth + 1] + top + beyond[depth + 1] > best_score[0]:
            depth += 1
    marks[0] = depth
    return bool(depth < 0)


@njit(nogil=True, cache=True)
def upper_bound(state: State, offsets: RowArray) -> float:
    """What no composition exceeds, given how far the search has come."""
    still_open, score, beyond, depth, bound = state[1], state[2], state[3], state[6][0], state[7][0]
    for d in range(depth + 1):
        top = np.max(still_open[d, : offsets[d + 1] - offsets[d]])
        bound = max(bound, score[d] + top + beyond[d])
    return float(bound)


@njit(nogil=True, cache=True)
def _enter(state: State, reach: FloatArray, offsets: RowArray, slot: int) -> float:
    """Lists what a slot offers, bounds what lies beyond it, and returns the best offer."""
    given, still_open, beyond = state[0][slot], state[1][slot], state[3]
    top = -np.inf
    for place in range(offsets[slot + 1] - offsets[slot]):
        still_open[place] = given[offsets[slot] + place] + reach[offsets[slot] + place]
        top = max(top, still_open[place])
    beyond[slot] = 0.0
    for later in range(slot + 1, len(offsets) - 1):
        best = -np.inf
        for a in range(offsets[later], offsets[later + 1]):
            best = max(best, given[a] + reach[a])
        beyond[slot] += best
    return top


@njit(nogil=True, cache=True)
def collapsed(linear: FloatArray, factors: FloatArray, total: FloatArray) -> FloatArray:
    """What each element brings in a context: w_a + ⟨v_a, c⟩, (E,)."""
    values = linear.copy()
    for a in range(len(values)):
        for k in range(len(total)):
            values[a] += factors[a, k] * total[k]
    return values


@njit(nogil=True, cache=True)
def forbidden(composition: RowArray, num_filled: int, rules: RowArray) -> bool:
    """Says whether a rule forbids every completion of the first slots."""
    for rule in rules:
        agrees = True
        for s in range(len(rule)):
            if rule[s] >= 0 and (s >= num_filled or rule[s] != composition[s]):
                agrees = False
                break
        if agrees:
            return True
    return False


@njit(nogil=True, cache=True)
def pairs_of(factors: FloatArray, offsets: RowArray) -> FloatArray:
    """⟨v_a, v_b⟩ for b in a later slot than a: (E, E)."""
    num_elements, num_factors = factors.shape
    columns = np.ascontiguousarray(factors.T)
    pairs = np.zeros((num_elements, num_elements))
    for s in range(len(offsets) - 2):
        later = offsets[s + 1]
        for a in range(offsets[s], later):
            for k in range(num_factors):
                pairs[a, later:] += factors[a, k] * columns[k, later:]
    return pairs


@njit(nogil=True, cache=True)
def reach_of(pairs: FloatArray, offsets: RowArray) -> FloatArray:
    """The most that an element can gain with later slots, each taken alone: (E,)."""
    reach = np.zeros(len(pairs))
    num_slots = len(offsets) - 1
    for s in range(num_slots):
        for a in range(offsets[s], offsets[s + 1]):
            for h in range(s + 1, num_slots):
                reach[a] += np.max(pairs[a, offsets[h] : offsets[h + 1]])
    return reach
