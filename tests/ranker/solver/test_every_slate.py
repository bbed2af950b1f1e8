from __future__ import annotations

import itertools

import numpy as np
import pytest

from ranker.solver import (
    FREE,
    Deadline,
    Mode,
    Settings,
    SlateBatch,
    SlateProblem,
    Status,
    solve,
    solve_many,
)
from ranker.solver.arrays import Ints
from ranker.solver.instances import with_structure

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


def structured(seed: int) -> tuple[SlateProblem, Ints]:
    """Returns a problem with n ≤ 8 and all that limits can be, and every slate within caps and pins."""
    rng = np.random.default_rng(seed)
    n, num_limits = int(rng.integers(2, 9)), int(rng.integers(1, 4))
    k = int(rng.integers(1, min(n, 4) + 1))
    if rng.random() < 0.4:
        value = rng.integers(-2, 4, n).astype(float)
        weights = rng.integers(-1, 3, (num_limits, n)).astype(float)
    else:
        value, weights = rng.normal(size=n), rng.normal(size=(num_limits, n))
    attention = np.sort(rng.choice([0.25, 0.5, 1.0], k))[::-1]
    limits, width = weights.mean(axis=1) * attention.sum(), np.abs(weights).mean(axis=1) * attention.sum()
    limits = limits + width * rng.choice([-0.5, 0.0, 0.3], num_limits)
    lower = np.where(rng.random(num_limits) < 0.6, -np.inf, limits - width * rng.choice([0.0, 0.5]))
    price = np.where(rng.random(num_limits) < 0.6, np.inf, rng.uniform(0.1, 3.0, num_limits))
    plain = SlateProblem(value, weights, limits, attention, price, lower)
    problem = with_structure(plain, seed) if rng.random() < 0.7 else plain
    slates = np.array(list(itertools.permutations(range(n), k)))
    if problem.pinned is not None:
        slates = slates[((problem.pinned == FREE) | (slates == problem.pinned)).all(axis=1)]
    if problem.groups is not None and problem.caps is not None:
        counts = [np.bincount(problem.groups[slate], minlength=problem.caps.size) for slate in slates]
        slates = slates[(np.array(counts) <= problem.caps).all(axis=1)]
    return problem, slates


@pytest.mark.parametrize("chunk", range(6))
def test_the_best_slate_is_found_within_caps_pins_prices_and_two_sided_limits(chunk: int) -> None:
    for seed in range(chunk * 50, (chunk + 1) * 50):
        problem, slates = structured(seed)
        solution = solve(problem, EVERY)
        use = problem.weights[:, slates] @ problem.attention
        above, below = use - problem.limits[:, None], problem.lower_limits[:, None] - use
        violation = np.maximum(np.maximum(above, below), 0.0)
        soft = np.isfinite(problem.violation_price)
        worth = problem.value[slates] @ problem.attention - problem.violation_price[soft] @ violation[soft]
        kept = (violation[~soft] <= 1e-12).all(axis=0)
        assert (slates == solution.slates[0]).all(axis=1).any(), seed
        if kept.any():
            assert solution.status is Status.OPTIMAL, seed
            assert solution.violation[~soft] == pytest.approx(0.0, abs=1e-9), seed
            assert solution.objective == pytest.approx(worth[kept].max(), rel=1e-9, abs=1e-9), seed
            assert solution.upper_bound == solution.objective, seed
        else:
            assert solution.status is Status.INFEASIBLE, seed


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
