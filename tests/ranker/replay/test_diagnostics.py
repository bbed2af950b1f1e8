"""What a log can and cannot say."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.diagnostics import Diagnostics, Verdict, diagnose, judge, rows_needed
from ranker.replay.intervals import Interval


def test_equal_weights_count_every_row() -> None:
    found = diagnose(np.array([1.0, 0.0, 0.0, 1.0]), np.ones(4))
    assert found == Diagnostics(4, 4.0, 1.0, 0.0, 1.0, 4, 2, 2.0, 1.0)


def test_one_heavy_row_counts_as_about_one() -> None:
    found = diagnose(np.array([0.0, 1.0, 1.0, 1.0]), np.array([4.0, 0.0, 0.0, 0.0]))
    assert found.effective_sample_size == 1
    assert (found.num_matched, found.num_matched_rewards) == (1, 0)


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
