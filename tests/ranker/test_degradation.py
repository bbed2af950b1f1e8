"""What is answered where there is no time: by hand, and against the answer that has all the time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranker import degradation
from ranker.degradation import FULL, Plan, Step, solved_by_plan, sorted_by_value
from ranker.question import Question, solved
from ranker.solver import Settings, Status

SETTINGS = Settings()


def question(value, weights, limits, attention, prices=None) -> Question:
    prices = np.full(len(limits), np.inf) if prices is None else np.array(prices)
    problem = {
        "value": np.array(value),
        "weights": np.array(weights),
        "limits": np.array(limits),
        "violation_price": prices,
        "attention": np.array(attention),
    }
    return Question(problem["limits"], np.zeros(len(limits)), problem, False, 0.0)


def hard(n: int = 300) -> Question:
    """Returns a problem of dozens of steps whose best slate breaks its limits."""
    rng = np.random.default_rng(0)
    weights = (rng.random((12, n)) < 0.3) * rng.random((12, n))
    attention = 1.0 / np.log2(np.arange(10) + 2.0)
    return question(rng.lognormal(size=n), weights, np.full(12, 0.3), attention)


def same_bytes(first, second) -> bool:
    return all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else repr(a) == repr(b)
        for a, b in zip(first, second, strict=True)
    )


def test_without_a_solver_the_most_valuable_come_first_and_what_they_break_is_told():
    # Values 3 and 2 stand on attention 1 and 1/2: 4 in all. The first one's weight of 2 breaks the limit of
    # 1.5 by 0.5, at a price of 3 a unit; the second limit is one without a price.
    asked = question(
        [2.0, 1.0, 3.0], [[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]], [1.5, 0.25], [1.0, 0.5], [3.0, np.inf]
    )
    answer = sorted_by_value(asked, SETTINGS)
    assert answer.slates.tolist() == [[2, 0]]
    assert answer.use.tolist() == [2.0, 0.5]
    assert answer.violation.tolist() == [0.5, 0.25]
    assert (answer.objective, answer.upper_bound) == (4.0 - 1.5, 4.0)
    assert answer.status is Status.STOPPED


def test_the_order_that_knows_no_limits_bounds_the_best_that_keeps_them():
    asked = hard()
    assert sorted_by_value(asked, SETTINGS).upper_bound >= solved(asked, SETTINGS).objective


def test_equal_values_come_in_the_order_of_the_request():
    answer = sorted_by_value(question([1.0, 2.0, 1.0, 2.0], [[0.0] * 4], [1.0], [1.0, 1.0, 0.5]), SETTINGS)
    assert answer.slates.tolist() == [[1, 3, 0]]


def test_rules_of_every_slate_hold_even_then():
    asked = question([3.0, 2.0, 1.0], [[1.0, 1.0, 1.0]], [0.0], [1.0, 0.5])
    rules = {"groups": np.array([0, 0, 1]), "caps": np.array([1, 1])}
    answer = sorted_by_value(replace(asked, problem=asked.problem | rules), SETTINGS)
    assert answer.slates.tolist() == [[0, 2]]  # but one of the first two
    assert (answer.upper_bound, answer.violation.tolist()) == (3.5, [1.5])


def test_limits_on_positions_are_used_as_the_solver_counts_them():
    value, attention = np.array([1.0, 3.0, 2.0]), np.array([1.0, 0.5])
    weights = np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])  # (1, n, k)
    problem = {
        "value": np.outer(value, attention),
        "weights": weights,
        "limits": np.array([5.0]),
        "violation_price": np.array([np.inf]),
    }
    answer = sorted_by_value(Question(problem["limits"], np.zeros(1), problem, True, 0.0), SETTINGS)
    assert answer.slates.tolist() == [[1, 2]]
    assert answer.use.tolist() == [2.0]  # the second ad counts at the first place, the third at the second
    assert answer.upper_bound == 4.0


def test_a_search_with_time_enough_is_the_one_without_a_deadline():
    asked = hard()
    answer, rounds = solved_by_plan(asked, SETTINGS, Plan(seconds_left=lambda: 1000.0))
    assert rounds == ()
    assert same_bytes(answer, solved(asked, SETTINGS))
    assert same_bytes(answer, solved_by_plan(asked, SETTINGS, FULL)[0])


@pytest.mark.parametrize("seconds", [[-1.0], [1e-5, -1.0], [3e-5, 2e-5, 2e-5, 15e-6, 1e-5, 1e-5, -1.0]])
def test_a_search_that_is_cut_short_has_a_true_bound_and_can_be_repeated(seconds, monkeypatch):
    monkeypatch.setattr(degradation, "MIN_SECONDS", 0.0)
    asked, best = hard(), solved(hard(), SETTINGS)
    left = iter(seconds)
    answer, rounds = solved_by_plan(asked, SETTINGS, Plan(seconds_left=lambda: next(left, -1.0)))
    assert answer.status is Status.STOPPED
    assert answer.num_steps < best.num_steps
    assert answer.upper_bound >= best.objective
    assert answer.probabilities.sum() == pytest.approx(1.0)
    again, same_rounds = solved_by_plan(asked, SETTINGS, Plan(solver_rounds=rounds))
    assert same_rounds == rounds
    assert same_bytes(again, answer)


def test_a_search_without_any_time_still_has_the_least():
    asked = hard(3000)
    answer, (limit,) = solved_by_plan(asked, SETTINGS, Plan(seconds_left=lambda: -1.0))
    # The guess before a step was timed: a microsecond, and a nanosecond a weight.
    assert limit == int(5e-4 / (1e-6 + 1e-9 * 12 * 3000))
    assert answer.num_steps == limit


def test_a_plan_without_constraints_asks_no_solver():
    asked = hard()
    answer, rounds = solved_by_plan(asked, SETTINGS, Plan(Step.UNCONSTRAINED))
    assert same_bytes(answer, sorted_by_value(asked, SETTINGS))
    assert rounds == ()
