"""Best creative of a large space under one draw: exact, by depth-first branch and bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from bandit.features import RowArray
    from bandit.fm import FloatArray

ROUNDING = 1e-9
"""More than two ways of adding up a score can differ by."""


@njit(nogil=True, cache=True)
def best_composition(
    draws: tuple[FloatArray, FloatArray, FloatArray],
    tables: tuple[FloatArray, FloatArray],
    draw: int,
    space: tuple[RowArray, RowArray],
    above: float,
) -> RowArray:
    """Finds the feasible composition with the largest Σ_s l_s + Σ_{s<t} ⟨v_s, v_t⟩, l_a = w_a + ⟨v_a, c⟩.

    Slots are filled in order. With slots < d filled, no completion beats

        score + Σ_{g ≥ d} max_{a ∈ g} [l_a + Σ_{s < d} ⟨v_s, v_a⟩ + Σ_{h > g} max_{b ∈ h} ⟨v_a, v_b⟩],

    and elements are tried in the order of their terms in it. Exponential in the worst case; tens of nodes for
    machines as they are learned.

    Args:
        draws: linear w (M, E), factors v (M, E, K), and c (M, K), the sum of the context's factors.
        tables: what `pair_tables` makes of the factors, or empty arrays to do without.
        draw: which of the M.
        space: offsets (S + 1,), the elements of slot s being offsets[s] … offsets[s + 1] − 1; rules (R, S),
            forbidden combinations of elements (counted within their slots), −1 for any.
        above: a score that the best is known to exceed, or −∞.

    Returns: (S,) element of each slot, counted within the slot. Some composition must be feasible.
    Source: Land and Doig (1960), An automatic method of solving discrete programming problems.
    """
    linear, factors, totals = draws
    offsets, rules = space
    if len(tables[0]):
        pairs, reach = tables[0][draw], tables[1][draw]
    else:
        pairs = _pairs(factors[draw], offsets)
        reach = _reach(pairs, offsets)
    return _search(
        collapsed(linear[draw], factors[draw], totals[draw]), (pairs, reach), offsets, rules, above
    )


@njit(nogil=True, cache=True)
def pair_tables(factors: FloatArray, offsets: RowArray) -> tuple[FloatArray, FloatArray]:
    """Tabulates what no context changes: ⟨v_a, v_b⟩ (M, E, E) and how far each element reaches (M, E)."""
    num_draws, num_elements = factors.shape[:2]
    pairs, reach = np.empty((num_draws, num_elements, num_elements)), np.empty((num_draws, num_elements))
    for m in range(num_draws):
        pairs[m] = _pairs(factors[m], offsets)
        reach[m] = _reach(pairs[m], offsets)
    return pairs, reach


@njit(nogil=True, cache=True)
def _search(
    linear: FloatArray,
    tables: tuple[FloatArray, FloatArray],
    offsets: RowArray,
    rules: RowArray,
    above: float,
) -> RowArray:
    """The search of `best_composition`, the context being part of `linear`."""
    pairs, reach = tables
    num_slots = len(offsets) - 1
    # What each element brings given the slots filled so far, and that plus what lies beyond it.
    given = np.zeros((num_slots, len(linear)))
    given[0] = linear
    score = np.zeros(num_slots + 1)
    beyond = np.zeros(num_slots)
    beyond[0] = _optimum(given[0], reach, offsets, 1)
    queue = np.zeros((num_slots, np.max(offsets[1:] - offsets[:-1])), np.int64)
    tried = np.zeros(num_slots, np.int64)
    partial, best = np.zeros(num_slots, np.int32), np.zeros(num_slots, np.int32)
    best_score = above
    _enqueue(queue[0], given[0], reach, offsets, 0)
    depth = 0
    while depth >= 0:
        start, size = offsets[depth], offsets[depth + 1] - offsets[depth]
        place = queue[depth, tried[depth]] if tried[depth] < size else -1
        # The queue descends: what follows a hopeless element is hopeless too.
        if place < 0 or (
            score[depth] + given[depth, start + place] + reach[start + place] + beyond[depth] <= best_score
        ):
            depth -= 1
            continue
        tried[depth] += 1
        partial[depth] = place
        if forbidden(partial, depth + 1, rules):
            continue
        score[depth + 1] = score[depth] + given[depth, start + place]
        if depth + 1 == num_slots:
            if score[num_slots] > best_score:
                best_score = score[num_slots]
                best[:] = partial
            continue
        given[depth + 1] = given[depth] + pairs[start + place]
        rest = _optimum(given[depth + 1], reach, offsets, depth + 1)
        if score[depth + 1] + rest > best_score:
            depth += 1
            tried[depth] = 0
            beyond[depth] = _optimum(given[depth], reach, offsets, depth + 1)
            _enqueue(queue[depth], given[depth], reach, offsets, depth)
    return best


@njit(nogil=True, cache=True)
def count_agreeing(
    draws: tuple[FloatArray, FloatArray, FloatArray],
    tables: tuple[FloatArray, FloatArray],
    space: tuple[RowArray, RowArray],
    composition: RowArray,
) -> int:
    """Counts the draws whose best composition is this one; arguments as for `best_composition`."""
    linear, factors, totals = draws
    count = 0
    for m in range(len(linear)):
        score = _score_unless_improved(linear[m], factors[m], totals[m], space, composition)
        if score > -np.inf:
            best = best_composition(draws, tables, m, space, score - ROUNDING)
            count += int(np.all(best == composition))
    return count


@njit(nogil=True, cache=True)
def _score_unless_improved(
    linear: FloatArray,
    factors: FloatArray,
    total: FloatArray,
    space: tuple[RowArray, RowArray],
    composition: RowArray,
) -> float:
    """Scores a composition, or gives −∞ if changing one element gains clearly more than rounding could."""
    offsets, rules = space
    whole, score = total.copy(), 0.0
    changed = composition.copy()
    for s in range(len(composition)):
        row = offsets[s] + composition[s]
        score += linear[row] + np.sum(factors[row] * whole)
        whole += factors[row]
    for s in range(len(composition)):
        start, stop = offsets[s], offsets[s + 1]
        others = whole - factors[start + composition[s]]
        gains = collapsed(linear[start:stop], factors[start:stop], others)
        for a in range(len(gains)):
            if gains[a] > gains[composition[s]] + ROUNDING:
                changed[s] = a
                if not forbidden(changed, len(changed), rules):
                    return -np.inf
        changed[s] = composition[s]
    return score


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
def _pairs(factors: FloatArray, offsets: RowArray) -> FloatArray:
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
def _reach(pairs: FloatArray, offsets: RowArray) -> FloatArray:
    """The most that an element can gain with later slots, each taken alone: (E,)."""
    reach = np.zeros(len(pairs))
    num_slots = len(offsets) - 1
    for s in range(num_slots):
        for a in range(offsets[s], offsets[s + 1]):
            for h in range(s + 1, num_slots):
                reach[a] += np.max(pairs[a, offsets[h] : offsets[h + 1]])
    return reach


@njit(nogil=True, cache=True)
def _optimum(given: FloatArray, reach: FloatArray, offsets: RowArray, first: int) -> float:
    """Upper bound on what the slots from `first` on can bring."""
    total = 0.0
    for s in range(first, len(offsets) - 1):
        best = -np.inf
        for a in range(offsets[s], offsets[s + 1]):
            best = max(best, given[a] + reach[a])
        total += best
    return total


@njit(nogil=True, cache=True)
def _enqueue(queue: RowArray, given: FloatArray, reach: FloatArray, offsets: RowArray, slot: int) -> None:
    start, stop = offsets[slot], offsets[slot + 1]
    # A stable sort keeps ties in the catalogue's order, so that the winner is always the same.
    order = np.argsort(-(given[start:stop] + reach[start:stop]), kind="mergesort")
    queue[: stop - start] = order
