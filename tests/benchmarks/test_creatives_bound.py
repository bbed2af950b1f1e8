from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks.creatives_bound import IMPRESSIONS, explained, told

PAIRS = np.array(list(product(range(3), range(4))))


def test_one_look_at_two_banners_costs_all_or_nothing() -> None:
    found = {told(np.array([0.1, 0.3]), IMPRESSIONS, np.random.default_rng(seed)) for seed in range(20)}
    assert sorted(found) == pytest.approx([0.0, 0.2 * IMPRESSIONS])


def test_the_better_of_two_far_apart_is_found_after_a_look() -> None:
    refresh = 10_000
    found = {told(np.array([0.1, 0.3]), refresh, np.random.default_rng(seed)) for seed in range(20)}
    # 10,000 clicks at 0.1 or 0.3 are no doubt (over 40 deviations apart): at most the first look is wrong.
    assert sorted(found) == pytest.approx([0.0, 0.2 * refresh])


def test_equal_rates_cost_nothing() -> None:
    assert told(np.full(3, 0.1), 100_000, np.random.default_rng(0)) == 0.0


def test_elements_explain_an_additive_table_and_pairs_any() -> None:
    rng = np.random.default_rng(0)
    additive = rng.normal(size=3)[PAIRS[:, 0]] + rng.normal(size=4)[PAIRS[:, 1]]
    crossed = np.where((PAIRS[:, 0] == 0) == (PAIRS[:, 1] < 2), 1.0, -1.0)
    assert explained(PAIRS, additive, 1) == pytest.approx(1.0)
    assert explained(PAIRS, crossed, 1) < 0.2
    assert explained(PAIRS, crossed, 2) == pytest.approx(1.0)
