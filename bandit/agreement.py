"""How many draws of a pool like a creative best, without searching those that plainly do or do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from bandit.search import ROUNDING, advance, begin, best_composition, forbidden, reach_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bandit.features import RowArray
    from bandit.fm import FloatArray

CUT = -1
"""Count where some draw's search was cut short."""
CUT_SHORT = -2
"""Verdict on such a draw."""


@njit(nogil=True, cache=True)
def elect(
    draws: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    tables: tuple[FloatArray, FloatArray, FloatArray],
    space: tuple[RowArray, RowArray],
    draw: int,
    max_nodes: int,
) -> tuple[RowArray, float, int]:
    """Finds a draw's best composition, its gap, and the draws that agree; arguments as below."""
    by_draw = (draws[2], draws[3], np.ascontiguousarray(draws[4].T))
    best, gap = best_composition(by_draw, (tables[0], tables[1]), draw, space, max_nodes)
    if gap > 0.0:
        return best, gap, CUT
    return best, gap, count_agreeing(draws, tables, space, best, max_nodes)


@njit(nogil=True, cache=True)
def count_agreeing(
    draws: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    tables: tuple[FloatArray, FloatArray, FloatArray],
    space: tuple[RowArray, RowArray],
    composition: RowArray,
    max_nodes: int,
) -> int:
    """Counts the draws whose best composition is this one, c.

    Against c, another composition x gains

        Σ_g G_g(x_g) + Σ_{g<h} R_gh(x_g, x_h),    R_gh(a, b) = ⟨v_a − v_{c_g}, v_b − v_{c_h}⟩,

    where G_g(a) is what changing only slot g to a gains, and R is 0 where one of the two is unchanged. So a
    draw disagrees where some G > 0. Else it can only disagree through elements a with

        u_g(a) + Σ_{h≠g} max_b u_h(b)⁺ > 0,    u_g(a) = G_g(a) + ½ Σ_{h≠g} max_b R_gh(a, b).

    Those are few: a search over them decides. The maxima need no context, see `swings`.

    Args:
        draws: w (E, M) and v (E, K, M), the draws last; w (M, E) and v (M, E, K), the draws first; and
            c (K, M), the sum of the context's factors.
        tables: what `pair_tables` and `swings` make of the factors, or empty arrays to do without.
        space, max_nodes: as for `best_composition`.
        composition: (S,), elements counted within their slots.

    Returns: the count, or CUT where a search would take more than `max_nodes`.
    """
    offsets = space[0]
    linear, factors = draws[0], draws[1]
    gains, bounds = _single_changes((linear, factors, draws[4]), tables[2], offsets, composition)
    hopeful = _hopeful(bounds, offsets, composition)
    allowed = _allowed(space, composition)
    count = 0
    by_draw = (draws[2], draws[3], np.ascontiguousarray(draws[4].T))
    left = np.empty(len(linear), np.int32)
    slot_of = np.empty(len(linear), np.int32)
    for s in range(len(composition)):
        slot_of[offsets[s] : offsets[s + 1]] = s
    places = (slot_of, offsets[:-1] + composition)
    for m in range(linear.shape[1]):
        verdict, size = _verdict(gains[:, m], hopeful[:, m], allowed, left)
        if verdict == 0:
            size = _refined(gains[:, m], draws[3][m], places, left, size)
            verdict = 1 if size == 0 else 0
        if verdict == 0:
            verdict = _searched(gains[:, m], left[:size], draws[3][m], space, composition, max_nodes)
        if verdict == 0:
            # As good as equal: only the search itself knows its order of preference.
            best, gap = best_composition(by_draw, (tables[0], tables[1]), m, space, max_nodes)
            verdict = CUT_SHORT if gap > 0.0 else 1 if np.all(best == composition) else -1
        if verdict == CUT_SHORT:
            return CUT
        if verdict > 0:
            count += 1
    return count


@njit(nogil=True, cache=True)
def _allowed(space: tuple[RowArray, RowArray], composition: RowArray) -> NDArray[np.bool_]:
    """Says which elements (E,) may replace that of c in their slot."""
    offsets, rules = space
    allowed = np.ones(offsets[len(offsets) - 1], np.bool_)
    changed = composition.copy()
    for s in range(len(composition)):
        for a in range(offsets[s], offsets[s + 1]):
            changed[s] = a - offsets[s]
            allowed[a] = not forbidden(changed, len(changed), rules)
        changed[s] = composition[s]
    return allowed


@njit(nogil=True, cache=True)
def swings(factors: FloatArray, offsets: RowArray) -> FloatArray:
    """Tabulates Σ_{h≠g} max_{b ∈ h} ⟨v_a − v_c, v_b⟩ for all c and a of each slot g: (Σ_g n_g², M).

    The row of (c, a), counted within slot g, is Σ_{f<g} n_f² + c n_g + a. Factors: (E, K, M).
    """
    num_slots, num_draws = len(offsets) - 1, factors.shape[2]
    sizes = (offsets[1:] - offsets[:-1]).astype(np.int64)
    result = np.zeros((np.sum(sizes * sizes), num_draws))
    first = 0
    most = np.empty(num_draws)
    for g in range(num_slots):
        for h in range(num_slots):
            if h == g:
                continue
            pairs = _block(factors, offsets, g, h)
            for c in range(sizes[g]):
                for a in range(sizes[g]):
                    most[:] = -np.inf
                    for b in range(sizes[h]):
                        for m in range(num_draws):
                            most[m] = max(most[m], pairs[a, b, m] - pairs[c, b, m])
                    result[first + c * sizes[g] + a] += most
        first += sizes[g] * sizes[g]
    return result


@njit(nogil=True, cache=True)
def _block(factors: FloatArray, offsets: RowArray, g: int, h: int) -> FloatArray:
    """⟨v_a, v_b⟩ of the elements of two slots: (n_g, n_h, M)."""
    pairs = np.zeros((offsets[g + 1] - offsets[g], offsets[h + 1] - offsets[h], factors.shape[2]))
    for a in range(pairs.shape[0]):
        for b in range(pairs.shape[1]):
            for k in range(factors.shape[1]):
                pairs[a, b] += factors[offsets[g] + a, k] * factors[offsets[h] + b, k]
    return pairs


@njit(nogil=True, cache=True)
def _single_changes(
    draws: tuple[FloatArray, FloatArray, FloatArray],
    swing: FloatArray,
    offsets: RowArray,
    composition: RowArray,
) -> tuple[FloatArray, FloatArray]:
    """G (E, M) and u (E, M)."""
    num_elements, num_draws = draws[0].shape
    gains, bounds = np.empty((num_elements, num_draws)), np.full((num_elements, num_draws), np.inf)
    own, paired = _worths(draws, offsets, composition)
    first = 0
    for s in range(len(composition)):
        chosen, size = offsets[s] + composition[s], offsets[s + 1] - offsets[s]
        for a in range(offsets[s], offsets[s + 1]):
            row = first + composition[s] * size + a - offsets[s]
            for m in range(num_draws):
                alone, joint = own[a, m] - own[chosen, m], paired[a, m] - paired[chosen, m]
                gains[a, m] = alone + joint
                if len(swing):
                    bounds[a, m] = alone + 0.5 * (joint + swing[row, m])
        first += size * size
    return gains, bounds


@njit(nogil=True, cache=True)
def _worths(
    draws: tuple[FloatArray, FloatArray, FloatArray], offsets: RowArray, composition: RowArray
) -> tuple[FloatArray, FloatArray]:
    """What each element brings by itself in the context, and with c in the other slots: (E, M) each."""
    linear, factors, totals = draws
    num_factors, num_draws = totals.shape
    whole, others = np.zeros((num_factors, num_draws)), np.empty((num_factors, num_draws))
    for s in range(len(composition)):
        whole += factors[offsets[s] + composition[s]]
    own, paired = np.empty(linear.shape), np.zeros(linear.shape)
    for s in range(len(composition)):
        others[:] = whole - factors[offsets[s] + composition[s]]
        for a in range(offsets[s], offsets[s + 1]):
            own_a, paired_a, vector = own[a], paired[a], factors[a]
            own_a[:] = linear[a]
            for k in range(num_factors):
                for m in range(num_draws):
                    own_a[m] += vector[k, m] * totals[k, m]
                    paired_a[m] += vector[k, m] * others[k, m]
    return own, paired


@njit(nogil=True, cache=True)
def _hopeful(bounds: FloatArray, offsets: RowArray, composition: RowArray) -> NDArray[np.bool_]:
    """Elements (E, M) that may be part of a composition better than c; never those of c."""
    num_elements, num_draws = bounds.shape
    num_slots = len(composition)
    hopeful = np.empty((num_elements, num_draws), np.bool_)
    top, tops = np.zeros((num_slots, num_draws)), np.zeros(num_draws)
    for s in range(num_slots):
        for a in range(offsets[s], offsets[s + 1]):
            for m in range(num_draws):
                top[s, m] = max(top[s, m], bounds[a, m])
        tops += top[s]
    for s in range(num_slots):
        others = tops - top[s] if np.isfinite(tops[0]) else tops
        for a in range(offsets[s], offsets[s + 1]):
            for m in range(num_draws):
                hopeful[a, m] = bounds[a, m] + others[m] > -ROUNDING
        hopeful[offsets[s] + composition[s]] = False
    return hopeful


@njit(nogil=True, cache=True)
def _verdict(
    gains: FloatArray, hopeful: NDArray[np.bool_], allowed: NDArray[np.bool_], left: RowArray
) -> tuple[int, int]:
    """−1: a single change gains; 1: nothing can; 0: who knows. Lists and counts the hopeful."""
    size = 0
    for a in range(len(gains)):
        if hopeful[a]:
            if gains[a] > ROUNDING and allowed[a]:
                return -1, 0
            left[size] = a
            size += 1
    return (1 if size == 0 else 0), size


@njit(nogil=True, cache=True)
def _refined(
    gains: FloatArray, factors: FloatArray, places: tuple[RowArray, RowArray], left: RowArray, size: int
) -> int:
    """Drops from `left` what the bound rules out once its maxima run over `left` only; says how many remain.

    places: slot of each element (E,), row of c in each slot (S,).
    """
    slot_of, chosen = places
    num_slots = len(chosen)
    u, top, most = np.empty(size), np.empty(num_slots), np.empty(num_slots)
    while size > 0:
        top[:] = 0.0
        for i in range(size):
            a = left[i]
            most[:] = 0.0
            for j in range(size):
                b = left[j]
                if slot_of[b] != slot_of[a]:
                    own, other, joint = factors[chosen[slot_of[a]]], factors[chosen[slot_of[b]]], 0.0
                    for k in range(factors.shape[1]):
                        joint += (factors[a, k] - own[k]) * (factors[b, k] - other[k])
                    most[slot_of[b]] = max(most[slot_of[b]], joint)
            u[i] = gains[a] + 0.5 * np.sum(most)
            top[slot_of[a]] = max(top[slot_of[a]], u[i])
        kept, tops = 0, np.sum(top)
        for i in range(size):
            if u[i] + tops - top[slot_of[left[i]]] > -ROUNDING:
                left[kept] = left[i]
                kept += 1
        if kept == size:
            break
        size = kept
    return size


@njit(nogil=True, cache=True)
def _searched(
    gains: FloatArray,
    left: RowArray,
    factors: FloatArray,
    space: tuple[RowArray, RowArray],
    composition: RowArray,
    max_nodes: int,
) -> int:
    """Searches c and the elements left: −1 something gains, 1 nothing does, 0 too close, CUT_SHORT."""
    offsets, rules = space
    num_slots = len(composition)
    ends, rows = np.zeros(num_slots + 1, np.int32), np.empty(len(left) + num_slots, np.int32)
    # In each slot the element of c comes first.
    size = next_left = 0
    for s in range(num_slots):
        rows[size] = offsets[s] + composition[s]
        size += 1
        while next_left < len(left) and left[next_left] < offsets[s + 1]:
            rows[size] = left[next_left]
            size += 1
            next_left += 1
        ends[s + 1] = size
    linear, pairs = _reduced(gains, factors, rows, ends)
    reach = reach_of(pairs, ends)
    state = begin(linear, reach, ends, -ROUNDING)
    done = advance(state, (pairs, reach), ends, _reduced_rules(rules, rows, ends, offsets), max_nodes)
    best = state[7][0]
    if best > ROUNDING:
        return -1
    if not done:
        return CUT_SHORT
    return 1 if best == -ROUNDING else 0


@njit(nogil=True, cache=True)
def _reduced(
    gains: FloatArray, factors: FloatArray, rows: RowArray, ends: RowArray
) -> tuple[FloatArray, FloatArray]:
    """G (n,) and R (n, n) of the rows that are left."""
    size, num_factors = len(rows), factors.shape[1]
    linear, steps, pairs = np.empty(size), np.empty((size, num_factors)), np.zeros((size, size))
    for s in range(len(ends) - 1):
        for a in range(ends[s], ends[s + 1]):
            linear[a] = gains[rows[a]]
            for k in range(num_factors):
                steps[a, k] = factors[rows[a], k] - factors[rows[ends[s]], k]
    for s in range(len(ends) - 1):
        for a in range(ends[s], ends[s + 1]):
            for b in range(ends[s + 1], size):
                for k in range(num_factors):
                    pairs[a, b] += steps[a, k] * steps[b, k]
    return linear, pairs


@njit(nogil=True, cache=True)
def _reduced_rules(rules: RowArray, rows: RowArray, ends: RowArray, offsets: RowArray) -> RowArray:
    """The rules in terms of the rows that are left, and one more that forbids c itself."""
    num_slots = len(ends) - 1
    reduced = np.zeros((len(rules) + 1, num_slots), np.int32)
    size = 1
    for rule in rules:
        applies = True
        for s in range(num_slots):
            reduced[size, s] = -1
            if rule[s] >= 0:
                for a in range(ends[s], ends[s + 1]):
                    if rows[a] == offsets[s] + rule[s]:
                        reduced[size, s] = a - ends[s]
                applies = applies and reduced[size, s] >= 0
        if applies:
            size += 1
    return reduced[:size]
