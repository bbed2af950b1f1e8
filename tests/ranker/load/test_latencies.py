from __future__ import annotations

import numpy as np
import pytest

from ranker.load.generator import LoadResult, merged
from ranker.load.latencies import Latencies


def counted(seconds) -> Latencies:
    latencies = Latencies()
    for each in seconds:
        latencies.record(each)
    return latencies


def test_percentiles_are_exact_to_three_digits():
    seconds = np.random.default_rng(0).lognormal(-5, 1.5, 20_000)
    found = counted(seconds).milliseconds()
    for p in (50, 90, 99, 99.9, 99.99):
        # The smallest value that so many are at or below; and half a microsecond of rounding.
        exact = 1e3 * np.sort(seconds)[round(p / 100 * len(seconds)) - 1]
        assert found[f"p{p:g}"] == pytest.approx(exact, rel=2e-3, abs=1e-3)
    assert found["max"] == pytest.approx(1e3 * seconds.max(), rel=2e-3)
    assert found["mean"] == pytest.approx(1e3 * seconds.mean(), rel=2e-3)


def test_what_is_counted_apart_adds_up_to_what_is_counted_together():
    seconds = np.random.default_rng(1).exponential(0.01, 3000)
    parts = [counted(part).encoded() for part in np.split(seconds, 3)]
    assert Latencies(parts).milliseconds() == counted(seconds).milliseconds()
    assert Latencies(parts).number == 3000


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.0, 0.001), (-1.0, 0.001), (1e9, 3.6e6)])
def test_latencies_out_of_range_count_at_its_ends(seconds, milliseconds):
    assert counted([seconds]).milliseconds()["max"] == pytest.approx(milliseconds, rel=1e-3)


def test_results_of_processes_are_one():
    one = LoadResult(3, 2.0, {"OK": 2, "NO_ANSWER": 1}, {"OK": counted([0.001, 0.002]).encoded()}, 1)
    other = LoadResult(
        2,
        3.0,
        {"OK": 1, "CANCELLED": 1},
        {"OK": counted([0.5]).encoded(), "CANCELLED": counted([0.1]).encoded()},
        0,
    )
    both = merged([one, other])
    assert both.num_calls == 5
    assert both.seconds == 3.0
    assert both.codes == {"OK": 3, "NO_ANSWER": 1, "CANCELLED": 1}
    assert both.late_starts == 1
    assert both.goodput == 1.0
    assert both.summary()["latency_ms"]["OK"]["max"] == pytest.approx(500, rel=1e-3)
