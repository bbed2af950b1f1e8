from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit import search as search_module
from bandit.agreement import CUT, count_agreeing, swings
from bandit.search import best_composition, pair_tables, pairs_of
from bandit.search import search as search_until

NO_TABLES = (np.empty((0, 0, 0)), np.empty((0, 0)))
NO_SWINGS = np.empty((0, 0))
NODES = 100_000


def search(
    linear: np.ndarray, factors: np.ndarray, total: np.ndarray, offsets: np.ndarray, rules: np.ndarray
) -> np.ndarray:
    """Searches one draw with the tables and without them: the same answer."""
    draws = (linear[None], factors[None], total[None])
    without, gap = best_composition(draws, NO_TABLES, 0, (offsets, rules), NODES)
    found, _ = best_composition(draws, pair_tables(factors[None], offsets), 0, (offsets, rules), NODES)
    assert found.tolist() == without.tolist()
    assert gap == 0.0
    return found


def test_pair_beats_the_best_singles() -> None:
    # Alone, elements 0 and 0 are best (2 + 2); together, 1 and 1 are (1 + 1 + 3 · 1).
    linear = np.array([2.0, 1.0, 2.0, 1.0])
    factors = np.array([[0.0], [3.0], [0.0], [1.0]])
    offsets = np.array([0, 2, 4], np.int32)
    rules = np.empty((0, 2), np.int32)
    assert search(linear, factors, np.zeros(1), offsets, rules).tolist() == [1, 1]
    forbidden = np.array([[1, 1]], np.int32)
    assert search(linear, factors, np.zeros(1), offsets, forbidden).tolist() == [0, 0]
    # The context −1 turns the factors against themselves: 2 + 2 again.
    assert search(linear, factors, np.array([-1.0]), offsets, rules).tolist() == [0, 0]


def brute_force(
    linear: np.ndarray, factors: np.ndarray, total: np.ndarray, offsets: np.ndarray, rules: np.ndarray
) -> tuple[tuple[int, ...], float]:
    best, best_score = (), -np.inf
    for composition in product(*(range(stop - start) for start, stop in pairwise(offsets))):
        if any(all(r in (-1, e) for r, e in zip(rule, composition, strict=True)) for rule in rules.tolist()):
            continue
        rows = offsets[:-1] + composition
        v = factors[rows]
        score = linear[rows].sum() + (v @ total).sum()
        score += sum(v[s] @ v[t] for s in range(len(rows)) for t in range(s))
        if score > best_score:
            best, best_score = composition, score
    return best, best_score


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_search_equals_brute_force_under_rules(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    linear, factors = rng.normal(size=offsets[-1]), rng.normal(size=(offsets[-1], 3))
    total = rng.normal(size=3)
    rules = np.array(
        data.draw(st.lists(st.tuples(*(st.integers(-1, size - 1) for size in sizes)), max_size=4)), np.int32
    ).reshape(-1, len(sizes))
    rules = rules[(rules >= 0).any(axis=1)]
    expected, score = brute_force(linear, factors, total, offsets, rules)
    if np.isfinite(score):
        found = search(linear, factors, total, offsets, rules)
        assert tuple(found.tolist()) == expected


def count(
    draws: tuple[np.ndarray, np.ndarray, np.ndarray],
    space: tuple[np.ndarray, np.ndarray],
    composition: tuple[int, ...],
    max_nodes: int = NODES,
) -> int:
    """Counts with the tables and without them: the same number."""
    linear, factors, totals = draws
    last = np.ascontiguousarray(factors.transpose(1, 2, 0))
    pool = (np.ascontiguousarray(linear.T), last, linear, factors, np.ascontiguousarray(totals.T))
    chosen = np.array(composition, np.int32)
    without = count_agreeing(pool, (*NO_TABLES, NO_SWINGS), space, chosen, max_nodes)
    tables = (*pair_tables(factors, space[0]), swings(last, space[0]))
    found = count_agreeing(pool, tables, space, chosen, max_nodes)
    assert CUT in (found, without) or found == without
    return without


@pytest.mark.parametrize("strength", [0.2, 0.6, 1.5])
@pytest.mark.parametrize("with_rules", [False, True])
def test_agreement_is_counted_over_the_draws(strength: float, with_rules: bool) -> None:
    rng = np.random.default_rng(0)
    offsets = np.array([0, 3, 6, 9, 13], np.int32)
    linear, factors = rng.normal(0, 0.4, (300, 13)), rng.normal(0, strength, (300, 13, 2))
    linear[:, [1, 5, 6, 12]] += 0.5
    totals = rng.normal(size=(300, 2))
    rules = [[1, 2, -1, -1], [-1, -1, 0, 3], [0, 0, 0, 0]] if with_rules else []
    space = (offsets, np.array(rules, np.int32).reshape(-1, 4))
    winners = [tuple(search(linear[m], factors[m], totals[m], *space).tolist()) for m in range(300)]
    for composition in set(winners):
        assert count((linear, factors, totals), space, composition) == winners.count(composition)
    assert len(set(winners)) > 5


def test_equal_draws_agree_on_the_first_of_equals() -> None:
    offsets, draws = np.array([0, 2, 4], np.int32), (np.zeros((3, 4)), np.zeros((3, 4, 1)), np.zeros((3, 1)))
    space = (offsets, np.array([[0, 0]], np.int32))
    first = tuple(search(draws[0][0], draws[1][0], draws[2][0], *space).tolist())
    assert first == (0, 1)
    assert count(draws, space, first) == 3
    assert count(draws, space, (1, 0)) == 0


def hard_draw() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors much larger than weights: the bound says little, the search is long."""
    rng = np.random.default_rng(5)
    offsets = np.arange(0, 31, 5, dtype=np.int32)
    return rng.normal(0.0, 0.1, 30), pairs_of(rng.normal(0.0, 1.0, (30, 6)), offsets), offsets


def test_search_that_is_cut_short_says_what_it_may_have_missed() -> None:
    linear, pairs, offsets = hard_draw()
    rules = np.empty((0, 6), np.int32)
    whole = search_until((linear, pairs), (offsets, rules), NODES)
    assert whole.exact
    assert whole.gap == 0.0
    gaps = []
    for max_nodes in (6, 20, 60, whole.num_nodes - 1):
        found = search_until((linear, pairs), (offsets, rules), max_nodes)
        assert found.num_nodes <= max_nodes
        assert found.score <= whole.score <= found.bound + 1e-9
        assert found.gap >= whole.score - found.score - 1e-9
        gaps.append(found.bound)
    assert gaps == sorted(gaps, reverse=True)
    assert not search_until((linear, pairs), (offsets, rules), 6).exact


def test_clock_stops_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "NODES_A_LOOK", 10)
    linear, pairs, offsets = hard_draw()
    looks = iter([False, True])
    found = search_until((linear, pairs), (offsets, np.empty((0, 6), np.int32)), NODES, lambda: next(looks))
    assert found.num_nodes == 20
    assert not found.exact


def test_count_is_cut_short_rather_than_wrong() -> None:
    rng = np.random.default_rng(5)
    offsets = np.arange(0, 31, 5, dtype=np.int32)
    draws = rng.normal(0.0, 0.1, (4, 30)), rng.normal(0.0, 1.0, (4, 30, 6)), np.zeros((4, 6))
    space = (offsets, np.empty((0, 6), np.int32))
    best = tuple(search(draws[0][0], draws[1][0], draws[2][0], *space).tolist())
    assert count(draws, space, best) >= 1
    assert count(draws, space, best, max_nodes=1) == CUT


@pytest.mark.parametrize("size", [10, 20])
def test_wide_slots_equal_coordinate_checks(size: int) -> None:
    # Too many to list: the winner must at least survive every change of one or two elements.
    rng = np.random.default_rng(size)
    offsets = np.arange(0, 4 * size + 1, size, dtype=np.int32)
    linear, factors = rng.normal(size=4 * size), rng.normal(size=(4 * size, 4))
    best = search(linear, factors, np.zeros(4), offsets, np.empty((0, 4), np.int32))

    def score(composition: np.ndarray) -> float:
        rows = offsets[:-1] + composition
        whole = factors[rows].sum(axis=0)
        return float(linear[rows].sum() + 0.5 * (whole @ whole - np.square(factors[rows]).sum()))

    reached = score(best)
    for s in range(4):
        for t in range(s):
            for a, b in product(range(size), repeat=2):
                changed = best.copy()
                changed[[s, t]] = a, b
                assert score(changed) <= reached + 1e-12
