"""What a log can and cannot say."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.diagnostics import (
    Answerability,
    Diagnostics,
    Verdict,
    answerable,
    diagnose,
    judge,
    rows_needed,
)
from ranker.replay.intervals import Interval


def test_equal_weights_count_every_row() -> None:
    found = diagnose(np.array([1.0, 0.0, 0.0, 1.0]), np.ones(4))
    assert found == Diagnostics(4, 4.0, 1.0, 0.0, 1.0, 4, 2, 2.0, 1.0, 4.0)


def test_one_heavy_row_counts_as_about_one() -> None:
    found = diagnose(np.array([0.0, 1.0, 1.0, 1.0]), np.array([4.0, 0.0, 0.0, 0.0]))
    assert found.effective_sample_size == 1
    assert (found.num_matched, found.num_matched_rewards) == (1, 0)


def test_a_spread_that_rests_on_a_few_heavy_rows_is_no_answer() -> None:
    # 40 rows of weight 10 among 9,960 of weight 0.964: many effective rows, and the intervals rest on 40.
    weights = np.full(10_000, (10_000 - 400) / 9960)
    weights[:40] = 10.0
    rewards = np.tile([0.0, 1.0], 5000)
    found = diagnose(rewards, weights)
    # Σw² = 4,000 + 9,254; Σw⁴ = 400,000 + 8,597
    assert found.variance_rows == pytest.approx(13_253.1**2 / 408_597, rel=1e-3)
    assert answerable(found)[0] is Answerability.ANSWERED
    weights[:40], weights[40:] = 50.0, (10_000 - 2000) / 9960
    # Σw² = 100,000 + 6,426; Σw⁴ = 250,000,000 + 4,146
    verdict, reasons, needed = answerable(diagnose(rewards, weights))
    assert verdict is Answerability.NOT_ANSWERABLE
    assert reasons == ("the weights' spread rests on 45.3 rows < 50",)
    assert needed == pytest.approx(10_000 * 50 / 45.3, rel=1e-3)


def test_without_support_there_is_no_effective_row() -> None:
    assert diagnose(np.ones(3), np.zeros(3)).effective_sample_size == 0


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(0.1, 0.2), Verdict.BETTER),
        (Interval(-0.2, -0.1), Verdict.WORSE),
        (Interval(-0.1, 0.1), Verdict.NOT_ANSWERABLE),
        (Interval(0.0, 0.1), Verdict.NOT_ANSWERABLE),
    ],
)
def test_the_interval_of_the_difference_decides(interval: Interval, verdict: Verdict) -> None:
    assert judge(diagnose(np.ones(2), np.ones(2)), interval) is verdict


def test_a_mean_weight_far_from_one_outweighs_any_interval() -> None:
    weights = np.random.default_rng(1).uniform(1.5, 2.5, size=1000)
    assert judge(diagnose(np.zeros(1000), weights), Interval(0.1, 0.2)) is Verdict.WRONG_WEIGHTS


def test_half_the_difference_needs_four_times_the_rows() -> None:
    # (1.959964 + 0.841621)² = 7.8489; times 0.25 / 0.1² gives 196.2
    assert rows_needed(0.25, 0.1) == 197
    assert rows_needed(0.25, 0.05) == pytest.approx(4 * 196.2, abs=1)


@pytest.mark.parametrize(
    ("variance", "difference"), [(0.25, 0.0), (0.25, np.nan), (-1.0, 0.1), (np.inf, 1.0)]
)
def test_rows_for_what_is_no_difference_or_no_variance_are_refused(
    variance: float, difference: float
) -> None:
    with pytest.raises(InvalidInputError, match="must be finite and"):
        rows_needed(variance, difference)
