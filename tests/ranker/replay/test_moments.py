"""The sums of one pass: independent of how the log is cut, and enough for the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.diagnostics import Answerability, diagnose
from ranker.replay.evaluation import diagnostics_of, evaluate, values
from ranker.replay.logged_batch import WeightedRows
from ranker.replay.moments import STEP, Tuning, accumulate, add, no_rows, resampled


def _rows(n: int, seed: int = 0) -> WeightedRows:
    rng = np.random.default_rng(seed)
    rewards = (rng.random(n) < 0.3).astype(float)
    return WeightedRows(rewards, rng.gamma(2, 0.5, n), rng.random(n), rng.random(n), np.arange(n))


def _part(rows: WeightedRows, part: slice) -> WeightedRows:
    columns = (rows.rewards, rows.weights, rows.baseline_logged, rows.baseline_target, rows.requests)
    return WeightedRows(*(column[part] for column in columns))


def test_parts_add_up_to_the_whole() -> None:
    rows = _rows(2 * STEP + 17)
    whole = accumulate(rows)
    cut = add(accumulate(_part(rows, slice(0, 1234))), accumulate(_part(rows, slice(1234, None))))
    np.testing.assert_allclose(cut.sums, whole.sums, rtol=1e-13)
    np.testing.assert_array_equal(cut.heaviest, whole.heaviest)
    assert (cut.num_matched, cut.num_matched_rewards) == (whole.num_matched, whole.num_matched_rewards)


def test_nothing_added_changes_nothing() -> None:
    whole = accumulate(_rows(100))
    np.testing.assert_array_equal(add(no_rows(), whole).sums, whole.sums)


def test_the_diagnostics_of_the_sums_are_those_of_the_rows() -> None:
    rows = _rows(900)  # a block each: beyond that, blocks of rows are counted as one
    found, expected = diagnostics_of(accumulate(rows)), diagnose(rows.rewards, rows.weights)
    for name in expected.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12), name


def test_a_bootstrap_over_blocks_of_one_request_is_the_bootstrap_over_requests() -> None:
    rows = _rows(600)
    totals = resampled(accumulate(rows), np.random.default_rng(1), 4000)
    assert (totals[:, 0] == 600).all()
    terms = rows.weights * rows.rewards
    # The spread of 4,000 resampled means has a standard error of 1/√8000 = 1.1 %; four of these.
    assert np.std(totals[:, 4] / 600) == pytest.approx(np.std(terms) / np.sqrt(600), rel=0.045)


def test_rows_of_a_request_are_resampled_together() -> None:
    rows = _rows(300)
    copies = [
        np.repeat(c, 3) for c in (rows.rewards, rows.weights, rows.baseline_logged, rows.baseline_target)
    ]
    tripled = accumulate(WeightedRows(*copies, np.repeat(rows.requests, 3)))
    once = evaluate(accumulate(rows), np.random.default_rng(2))["IPS"]
    thrice = evaluate(tripled, np.random.default_rng(2))["IPS"]
    assert thrice.interval.low == pytest.approx(once.interval.low, rel=1e-12)
    assert thrice.interval.high == pytest.approx(once.interval.high, rel=1e-12)


def test_an_estimate_carries_interval_diagnostics_and_verdict() -> None:
    rng = np.random.default_rng(3)
    rewards, weights = (rng.random(5000) < 0.3).astype(float), rng.choice([0.5, 1.5], 5000)
    rows = WeightedRows(rewards, weights, np.zeros(5000), np.zeros(5000), np.arange(5000))
    found = evaluate(accumulate(rows), rng, with_model=False)
    assert set(found) == {"IPS", "SNIPS", "clipped IPS", "sub-Gaussian IPS"}
    assert found["IPS"].value in found["IPS"].interval
    assert found["IPS"].verdict is Answerability.ANSWERED
    assert found["IPS"].rows_needed is None


def test_a_log_in_which_one_row_decides_is_not_answerable_and_says_what_it_takes() -> None:
    n = 2000
    weights = np.full(n, 0.01)
    weights[0] = 0.99 * n
    rows = WeightedRows(np.ones(n), weights, np.zeros(n), np.zeros(n), np.arange(n))
    found = evaluate(accumulate(rows), np.random.default_rng(4))["SNIPS"]
    assert found.verdict is Answerability.NOT_ANSWERABLE
    assert "effective sample size 1.0 < 100" in found.reasons[0]
    assert found.rows_needed is not None
    assert found.rows_needed > 90 * n


def test_a_target_that_the_log_never_followed_has_no_value() -> None:
    rows = WeightedRows(np.ones(50), np.zeros(50), np.zeros(50), np.zeros(50), np.arange(50))
    found = evaluate(accumulate(rows), np.random.default_rng(5))["SNIPS"]
    assert (found.verdict, found.rows_needed) == (Answerability.NOT_ANSWERABLE, None)
    assert np.isnan(values(accumulate(rows))["SNIPS"])


def test_weights_that_are_all_too_large_are_wrong() -> None:
    n = 5000
    rows = WeightedRows(np.ones(n), np.full(n, 1.2), np.zeros(n), np.zeros(n), np.arange(n))
    found = evaluate(accumulate(rows), np.random.default_rng(6))["IPS"]
    assert found.verdict is Answerability.WRONG_WEIGHTS


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="holds no usable row"):
        evaluate(no_rows(), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"largest_weight": 0.0}, "largest_weight"),
        ({"switch_threshold": -1.0}, "switch_threshold"),
        ({"shrinkage": 0.0}, "shrinkage"),
        ({"sub_gaussian": 1.5}, "sub_gaussian"),
    ],
)
def test_a_parameter_without_meaning_is_named(change: dict[str, float], field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        Tuning(**change)
    assert error.value.field == field
