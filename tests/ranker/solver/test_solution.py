from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from ranker.errors import InvalidInputError
from ranker.solver import Deadline, Settings, SlateBatch, SlateProblem, Status, draw_slate, solve, solve_many
from ranker.solver.instances import random_problem

ALPHA = 1e-4


def example(seed: int = 3, n: int = 30, num_limits: int = 4, k: int = 5) -> SlateProblem:
    rng = np.random.default_rng(seed)
    weights, attention = rng.random((num_limits, n)), 0.8 ** np.arange(k)
    return SlateProblem(rng.random(n), weights, weights.mean(axis=1) * attention.sum() * 0.8, attention)


def test_draws_follow_the_probabilities_of_slates_and_of_candidates_at_positions() -> None:
    # Fixed seed; each test fails by chance in one of 10⁴ seeds.
    solution = solve(example(n=60, num_limits=6))
    draws = np.random.default_rng(1).random(20_000)
    picks = np.array([draw_slate(solution, float(u)) for u in draws])
    counts = np.bincount(picks, minlength=solution.probabilities.size)
    assert counts.size > 2
    assert chisquare(counts, solution.probabilities * picks.size).pvalue > ALPHA
    for j in range(solution.slates.shape[1]):
        shown = np.bincount(solution.slates[picks, j], minlength=60)
        expected = np.bincount(solution.slates[:, j], solution.probabilities, minlength=60)
        assert (shown[expected == 0.0] == 0).all()
        if (expected > 0.0).sum() > 1:
            seen = expected > 0.0
            assert chisquare(shown[seen], expected[seen] * picks.size).pvalue > ALPHA


def test_the_ends_of_the_unit_interval_draw_the_first_and_the_last_slate() -> None:
    solution = solve(example())
    assert draw_slate(solution, 0.0) == 0
    assert draw_slate(solution, np.nextafter(1.0, 0.0)) == solution.probabilities.size - 1
    assert draw_slate(solution, float(solution.probabilities[0])) == 1


@pytest.mark.parametrize("u", [-0.1, 1.0, float("nan")])
def test_a_number_outside_the_unit_interval_draws_nothing(u: float) -> None:
    with pytest.raises(InvalidInputError, match="u = "):
        draw_slate(solve(example()), u)


def test_a_spent_deadline_still_yields_a_mixture_with_a_true_bound() -> None:
    problem = example(n=200, num_limits=8)
    best = solve(problem)
    ticks = iter(np.arange(0.0, 1.0, 0.0001))
    stopped = solve(problem, deadline=Deadline(lambda: float(next(ticks)), at=0.0))
    assert stopped.status is Status.STOPPED
    assert stopped.num_steps < best.num_steps
    assert stopped.upper_bound >= best.objective
    assert stopped.probabilities.sum() == pytest.approx(1.0)


def test_a_batch_by_a_spent_deadline_still_has_mixtures_with_true_bounds() -> None:
    problems = [example(seed) for seed in range(70)]
    late = solve_many(SlateBatch.of(problems), deadline=Deadline(lambda: 1.0, at=0.0))
    in_time = solve_many(SlateBatch.of(problems), deadline=Deadline(lambda: 0.0, at=1e9))
    for b, problem in enumerate(problems):
        assert late[b].num_steps == 1
        assert late[b].upper_bound >= solve(problem).objective
        assert late[b].probabilities.sum() == pytest.approx(1.0)
        assert in_time[b].objective == solve(problem).objective


def test_problems_of_a_batch_may_have_different_sides() -> None:
    problems = [example(seed, n=8) for seed in range(300)]
    limits = np.stack([problem.limits for problem in problems])
    lower = np.where(np.arange(300)[:, None] < 290, -np.inf, 0.5 * limits)
    fields = {
        name: np.stack([getattr(p, name) for p in problems]) for name in ("value", "weights", "attention")
    }
    solutions = solve_many(SlateBatch(limits=limits, lower_limits=lower, **fields))
    for b in (0, 289, 290, 299):
        alone = SlateProblem(limits=limits[b], lower_limits=lower[b], **{f: fields[f][b] for f in fields})
        assert solutions[b].objective == solve(alone).objective


def test_a_far_deadline_changes_nothing_but_the_number_of_rounds() -> None:
    problem = example(n=200, num_limits=8)
    patient = solve(problem, deadline=Deadline(lambda: 0.0, at=1e9))
    assert patient.status is Status.OPTIMAL
    assert patient.objective == pytest.approx(solve(problem).objective, rel=1e-9)


@pytest.mark.parametrize("num_steps", [1, 3, 10, 20, 40])
def test_every_bound_on_the_way_is_true(num_steps: int) -> None:
    for seed in range(40):
        problem = random_problem(seed, most=(60, 6, 10))
        best, early = solve(problem), solve(problem, Settings(max_num_steps=num_steps))
        if best.status is Status.OPTIMAL and (early.violation <= 0.0).all():
            hair = 1e-9 * np.abs(problem.value).max() * problem.attention.sum()
            assert early.objective - hair <= best.objective <= early.upper_bound + hair


def test_the_own_solution_is_the_best_warm_start() -> None:
    problem = example(n=200, num_limits=8)
    cold = solve(problem)
    warm = solve(problem, warm_start=cold)
    assert warm.objective == pytest.approx(cold.objective, rel=1e-9)
    assert warm.num_steps < cold.num_steps


def test_a_batch_gives_to_the_last_bit_what_single_calls_give() -> None:
    problems = [example(seed) for seed in range(300)]
    single = [solve(problem) for problem in problems]
    for num_threads in (1, 3):
        solutions = solve_many(SlateBatch.of(problems), num_threads=num_threads)
        assert len(solutions) == len(problems)
        for b, expected in enumerate(single):
            assert solutions[b].objective == expected.objective
            assert solutions[b].upper_bound == expected.upper_bound
            assert (solutions[b].slates == expected.slates).all()
            assert (solutions[b].probabilities == expected.probabilities).all()
