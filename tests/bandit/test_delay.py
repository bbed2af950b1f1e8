from __future__ import annotations

import numpy as np
import pytest

from bandit.delay import CompletionCurve, completion_curve
from bandit.errors import CreativeError


def test_old_impressions_give_the_plain_shares() -> None:
    curve = completion_curve(np.array([1.0, 2.0, 2.0, 8.0]), np.full(4, 100.0))
    assert curve(np.array([0.5, 1.0, 2.0, 7.9, 8.0, 50.0])) == pytest.approx(
        [0.0, 0.25, 0.75, 0.75, 1.0, 1.0]
    )


def test_young_impressions_count_only_for_the_delays_they_could_have_shown() -> None:
    # Of two impressions old enough for a delay of 10 one took it; the fast click of age 3 could not have.
    curve = completion_curve(np.array([10.0, 1.0, 1.0]), np.array([20.0, 20.0, 3.0]))
    # At t = 10: at risk are the two that are at least 10 old, one came then: F(1) = 1/2.
    assert curve(np.array([1.0])) == pytest.approx([0.5])


def test_truncated_sample_recovers_the_true_delays() -> None:
    rng = np.random.default_rng(0)
    delays, ages = rng.exponential(10.0, 40_000), rng.uniform(0.0, 60.0, 40_000)
    seen = delays <= ages
    curve = completion_curve(delays[seen], ages[seen])
    naive = np.mean(delays[seen] <= 10.0)
    # 33,000 clicks: a share of 0.63 strays by 0.003; 5 of those. What is never seen is beyond 60: e⁻⁶.
    assert curve(np.array([10.0])) == pytest.approx(1.0 - np.exp(-1.0), abs=0.015)
    assert naive > 0.66


def test_before_any_click_every_impression_counts_in_full() -> None:
    curve = completion_curve(np.empty(0), np.empty(0))
    assert curve(np.array([0.0, 5.0])).tolist() == [1.0, 1.0]


def test_shares_rise_to_one() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        ages = rng.uniform(0.0, 9.0, 12).round()
        curve = completion_curve(np.minimum(ages, rng.uniform(0.0, 9.0, 12).round()), ages)
        assert np.all(np.diff(curve.shares) >= 0.0)
        assert curve.shares[-1] == 1.0
        assert np.all((curve.shares > 0.0) & (curve.shares <= 1.0))


@pytest.mark.parametrize(
    ("delay", "age"), [(-1.0, 5.0), (6.0, 5.0), (float("nan"), 5.0), (1.0, float("inf"))]
)
def test_impossible_delay_is_named(delay: float, age: float) -> None:
    with pytest.raises(CreativeError, match=r"delays\[1\]"):
        completion_curve(np.array([1.0, delay]), np.array([5.0, age]))


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(CreativeError, match="ages"):
        completion_curve(np.ones(2), np.ones(3))
    with pytest.raises(CreativeError, match="shares"):
        CompletionCurve(np.ones(2), np.ones(3))
