from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.search import best_composition, count_agreeing, pair_tables

NO_TABLES = (np.empty((0, 0, 0)), np.empty((0, 0)))


def search(
    linear: np.ndarray, factors: np.ndarray, total: np.ndarray, offsets: np.ndarray, rules: np.ndarray
) -> np.ndarray:
    """Searches one draw with the tables and without them: the same answer."""
    draws = (linear[None], factors[None], total[None])
    without = best_composition(draws, NO_TABLES, 0, (offsets, rules), -np.inf)
    found = best_composition(draws, pair_tables(factors[None], offsets), 0, (offsets, rules), -np.inf)
    assert found.tolist() == without.tolist()
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


def test_agreement_is_counted_over_the_draws() -> None:
    rng = np.random.default_rng(0)
    offsets = np.array([0, 3, 6, 9], np.int32)
    linear, factors = rng.normal(0, 0.4, (300, 9)), rng.normal(0, 0.6, (300, 9, 2))
    linear[:, [1, 5, 6]] += 0.5
    totals = rng.normal(size=(300, 2))
    rules = np.array([[1, 2, -1]], np.int32)
    winners = [tuple(search(linear[m], factors[m], totals[m], offsets, rules).tolist()) for m in range(300)]
    for composition in set(winners):
        for tables in (NO_TABLES, pair_tables(factors, offsets)):
            draws, chosen = (linear, factors, totals), np.array(composition, np.int32)
            assert count_agreeing(draws, tables, (offsets, rules), chosen) == winners.count(composition)
    assert len(set(winners)) > 5


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
