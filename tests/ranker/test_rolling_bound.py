"""A bound that follows what it sees."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.rolling_bound import LEVEL, WINDOW, RollingBound


def test_few_values_are_bounded_by_their_largest():
    bound = RollingBound([])
    assert bound.bound == 0.0
    for value in (2.0, 5.0, 3.0):
        bound.add(value)
    assert bound.bound == 5.0


def test_one_of_two_hundred_may_exceed_it():
    bound = RollingBound([1.0] * WINDOW)
    bound.add(7.0)
    assert bound.bound == 1.0
    bound.add(8.0)
    assert bound.bound == 7.0


def test_a_stall_is_forgotten_after_the_window():
    bound = RollingBound([1.0] * WINDOW)
    for value in [9.0] * 3 + [1.0] * (WINDOW - 2):
        bound.add(value)
    assert bound.bound == 9.0
    bound.add(1.0)
    assert bound.bound == 1.0


def test_it_holds_for_new_values_as_often_as_it_says():
    rng = np.random.default_rng(1)
    bound, inside, num = RollingBound([]), 0, 20_000
    for value in rng.lognormal(size=num):
        inside += value <= bound.bound
        bound.add(float(value))
    # Means over windows are correlated over WINDOW draws: the share's deviation is below that of num/WINDOW
    # windows, each with a deviation of the coverage of √(0.01·0.99/200) = 0.007: 0.0007 in all, plus the
    # draws' own 0.0007. Four of both together: 0.004. The windows that were not full yet cost 1 / 200.
    assert inside / num == pytest.approx(LEVEL, abs=0.004)


def test_the_share_of_values_between_two_is_told():
    bound = RollingBound([])
    assert bound.share(0.0) == 0.0
    for value in (1.0, 2.0, 2.0, 5.0):
        bound.add(value)
    assert bound.share(1.0, 2.0) == 0.5
    assert bound.share(1.5) == 0.75
    assert bound.share(5.0, 1.0) == 0.0
