from __future__ import annotations

import itertools

import numpy as np
import pytest

from ranker.solver import Deadline, Mode, Settings, SlateBatch, SlateProblem, Status, solve, solve_many

EVERY = Settings(mode=Mode.EVERY_SLATE)


def best_slate_value(problem: SlateProblem) -> float:
    """Returns the value of the best slate that keeps all limits, over all of them; -inf if none does."""
    slates = np.array(list(itertools.permutations(range(problem.num_candidates), problem.num_positions)))
    value = problem.value[slates] @ problem.attention
    use = problem.weights[:, slates] @ problem.attention
    kept = (use <= problem.limits[:, None] + 1e-12).all(axis=0)
    return float(value[kept].max(initial=-np.inf))


def test_one_slate_keeps_the_limit_that_a_mixture_keeps_only_on_average() -> None:
    problem = SlateProblem(np.array([2.0, 1.0]), np.array([[1.0, 0.0]]), np.array([0.5]), np.array([1.0]))
    solution = solve(problem, EVERY)
    assert solution.slates.tolist() == [[1]]
    assert solution.objective == solution.upper_bound == 1.0
    assert solution.status is Status.OPTIMAL


@pytest.mark.parametrize("seed", range(200))
def test_every_slate_matches_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, num_limits = int(rng.integers(2, 8)), int(rng.integers(1, 4))
    k = int(rng.integers(1, min(n, 5) + 1))
    value, weights = rng.lognormal(size=n), rng.normal(size=(num_limits, n))
    attention = 1.0 / np.log2(2.0 + np.arange(k))
    limits = rng.normal(size=num_limits) * 0.3
    problem = SlateProblem(value, weights, limits, attention)
    solution, expected = solve(problem, EVERY), best_slate_value(problem)
    assert solution.slates.shape == (1, k)
    if np.isfinite(expected):
        assert solution.status is Status.OPTIMAL
        assert solution.violation == pytest.approx(np.zeros(num_limits), abs=1e-9)
        assert solution.objective == pytest.approx(expected, rel=1e-9)
    else:
        assert solution.status is Status.INFEASIBLE
        assert solution.violation.max() > 0.0


def test_a_batch_in_this_mode_gives_what_single_calls_give() -> None:
    problems = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        attention = np.array([1.0, 0.6, 0.4])
        problems.append(SlateProblem(rng.random(7), rng.random((2, 7)), np.full(2, 1.2), attention))
    solutions = solve_many(SlateBatch.of(problems), EVERY)
    for b, problem in enumerate(problems):
        alone = solve(problem, EVERY)
        assert solutions[b].objective == alone.objective
        assert (solutions[b].slates == alone.slates).all()
        assert solutions[b].status is alone.status
        assert solutions[b].num_steps == alone.num_steps


def test_a_deadline_ends_the_search_for_a_slate_with_a_true_bound() -> None:
    rng = np.random.default_rng(7)
    problem = SlateProblem(rng.random(60), rng.random((4, 60)), np.full(4, 1.6), 0.9 ** np.arange(6.0))
    ticks = iter(np.arange(0.0, 1.0, 0.0005))
    stopped = solve(problem, EVERY, deadline=Deadline(lambda: float(next(ticks)), at=0.004))
    long = solve(problem, Settings(mode=Mode.EVERY_SLATE, max_num_steps=3_000_000))
    assert stopped.status is Status.STOPPED
    assert stopped.slates.shape == (1, 6)
    assert stopped.objective <= long.objective <= stopped.upper_bound
    patient = solve(problem, EVERY, deadline=Deadline(lambda: 0.0, at=1.0))
    assert patient.objective == solve(problem, EVERY).objective


def test_a_spent_search_still_reports_a_true_bound() -> None:
    rng = np.random.default_rng(7)
    problem = SlateProblem(rng.random(60), rng.random((4, 60)), np.full(4, 1.6), 0.9 ** np.arange(6.0))
    short = solve(problem, Settings(mode=Mode.EVERY_SLATE, max_num_steps=50))
    long = solve(problem, Settings(mode=Mode.EVERY_SLATE, max_num_steps=3_000_000))
    assert short.status is Status.STOPPED
    assert short.objective <= long.objective <= short.upper_bound
    assert (short.violation <= 1e-9).all()
