"""Best creative of a large space under one draw: exact, by depth-first branch and bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from bandit.features import RowArray
    from bandit.fm import FloatArray


@njit(nogil=True, cache=True)
def best_composition(
    linear: FloatArray, factors: FloatArray, total: FloatArray, offsets: RowArray, rules: RowArray
) -> RowArray:
    """Finds the feasible composition with the largest Σ_s l_s + Σ_{s<t} ⟨v_s, v_t⟩, l_a = w_a + ⟨v_a, c⟩.

    Slots are filled in order. With slots < d filled, no completion beats

        score + Σ_{g ≥ d} max_{a ∈ g} [l_a + Σ_{s < d} ⟨v_s, v_a⟩ + Σ_{h > g} max_{b ∈ h} ⟨v_a, v_b⟩],

    and elements are tried in the order of their terms in it. Exponential in the worst case; tens of nodes for
    machines as they are learned.

    Args:
        linear: (E,) w.
        factors: (E, K) v.
        total: (K,) c, the sum of the context's factors.
        offsets: (S + 1,); the elements of slot s are offsets[s] … offsets[s + 1] − 1.
        rules: (R, S) forbidden combinations of elements (counted within their slots), −1 for any.

    Returns: (S,) element of each slot, counted within the slot. Some composition must be feasible.
    Source: Land and Doig (1960), An automatic method of solving discrete programming problems.
    """
    num_slots = len(offsets) - 1
    pairs = _pairs(factors, offsets)
    reach = _reach(pairs, offsets)
    # What each element brings given the slots filled so far, and that plus what lies beyond it.
    given = np.zeros((num_slots, len(linear)))
    given[0] = collapsed(linear, factors, total)
    score = np.zeros(num_slots + 1)
    beyond = np.zeros(num_slots)
    beyond[0] = _optimum(given[0], reach, offsets, 1)
    queue = np.zeros((num_slots, np.max(offsets[1:] - offsets[:-1])), np.int64)
    tried = np.zeros(num_slots, np.int64)
    partial, best = np.zeros(num_slots, np.int32), np.zeros(num_slots, np.int32)
    best_score = -np.inf
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
    offsets: RowArray,
    rules: RowArray,
    composition: RowArray,
) -> int:
    """Counts the draws whose best composition is this one.

    draws: linear (M, E), factors (M, E, K) and totals (M, K), as for `best_composition`.
    """
    linear, factors, totals = draws
    count = 0
    for m in range(len(linear)):
        if not _improves(linear[m], factors[m], totals[m], (offsets, rules), composition):
            best = best_composition(linear[m], factors[m], totals[m], offsets, rules)
            count += int(np.all(best == composition))
    return count


@njit(nogil=True, cache=True)
def _improves(
    linear: FloatArray,
    factors: FloatArray,
    total: FloatArray,
    space: tuple[RowArray, RowArray],
    composition: RowArray,
) -> bool:
    """Says whether changing one element gains clearly more than rounding could."""
    offsets, rules = space
    whole = total.copy()
    for s in range(len(composition)):
        whole += factors[offsets[s] + composition[s]]
    changed = composition.copy()
    for s in range(len(composition)):
        others = whole - factors[offsets[s] + composition[s]]
        gains = collapsed(linear[offsets[s] : offsets[s + 1]], factors[offsets[s] : offsets[s + 1]], others)
        for a in range(len(gains)):
            if gains[a] > gains[composition[s]] + 1e-9:
                changed[s] = a
                if not forbidden(changed, len(changed), rules):
                    return True
        changed[s] = composition[s]
    return False


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
