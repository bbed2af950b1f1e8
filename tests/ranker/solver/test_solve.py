from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from ranker.solver import SlateProblem, Solution, Status, solve


def brute_force(problem: SlateProblem) -> float:
    """Returns the optimum over all mixtures of all rankings, hard upper limits only."""
    rankings = np.array(list(itertools.permutations(range(problem.num_candidates), problem.num_positions)))
    value = problem.value[rankings] @ problem.attention
    use = problem.weights[:, rankings] @ problem.attention
    answer = linprog(-value, A_ub=use, b_ub=problem.limits, A_eq=np.ones((1, value.size)), b_eq=[1.0])
    return -float(answer.fun) if answer.status == 0 else -np.inf


def check_mixture(problem: SlateProblem, solution: Solution) -> None:
    """Checks what must hold of every solution, recomputing all from the slates."""
    k = problem.num_positions
    assert solution.slates.shape == (solution.probabilities.size, k)
    assert 1 <= solution.probabilities.size <= problem.num_constraints + 1
    assert (solution.probabilities > 0.0).all()
    assert solution.probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert all(np.unique(slate).size == k for slate in solution.slates)
    use = problem.weights[:, solution.slates] @ problem.attention @ solution.probabilities
    np.testing.assert_allclose(use, solution.use, rtol=1e-12, atol=1e-12)
    assert solution.objective <= solution.upper_bound


def test_without_limits_the_slate_is_the_sort_by_value() -> None:
    problem = SlateProblem(np.array([1.0, 3.0, 2.0]), np.empty((0, 3)), np.empty(0), np.array([1.0, 0.5]))
    solution = solve(problem)
    assert solution.slates.tolist() == [[1, 2]]
    assert solution.objective == 4.0
    assert solution.status is Status.OPTIMAL
    assert solution.num_steps == 1


def test_one_position_is_shared_so_that_the_limit_is_just_met() -> None:
    # Showing the heavy ad, worth 2, half of the time uses 0.5; the light one, worth 1, fills the rest.
    problem = SlateProblem(np.array([2.0, 1.0]), np.array([[1.0, 0.0]]), np.array([0.5]), np.array([1.0]))
    solution = solve(problem)
    assert solution.objective == pytest.approx(1.5, rel=1e-15)
    assert solution.use == pytest.approx([0.5], rel=1e-15)
    assert solution.dual == pytest.approx([1.0], rel=1e-15)
    assert sorted(solution.slates.ravel().tolist()) == [0, 1]
    assert solution.probabilities == pytest.approx([0.5, 0.5], rel=1e-15)


def test_price_moves_the_heavy_ad_to_the_lower_position() -> None:
    problem = SlateProblem(
        np.array([2.0, 1.0]), np.array([[1.0, 0.0]]), np.array([0.5]), np.array([1.0, 0.5])
    )
    solution = solve(problem)
    assert solution.slates.tolist() == [[1, 0]]
    assert solution.objective == pytest.approx(2.0, rel=1e-15)


def test_cheap_violation_is_bought_and_dear_violation_is_not() -> None:
    def at(price: float) -> Solution:
        arrays = (np.array([2.0, 1.0]), np.array([[1.0, 0.0]]), np.array([0.5]), np.array([1.0]))
        return solve(SlateProblem(*arrays, violation_price=np.array([price])))

    # A unit of violation gains 1, so a price of 0.9 pays for it.
    assert at(0.9).violation == pytest.approx([0.5])
    assert at(0.9).objective == pytest.approx(2.0 - 0.9 * 0.5)
    assert at(1.1).violation == pytest.approx([0.0])
    assert at(1.1).objective == pytest.approx(1.5)
    assert at(0.9).status is Status.OPTIMAL


def test_equality_and_lower_limits_hold() -> None:
    value, weights, attention = np.array([3.0, 2.0, 1.0]), np.eye(3), np.array([1.0])
    limits, lower = np.array([np.inf, 0.25, np.inf]), np.array([-np.inf, 0.25, 0.5])
    solution = solve(SlateProblem(value, weights, limits, attention, lower_limits=lower))
    assert solution.use == pytest.approx([0.25, 0.25, 0.5], abs=1e-15)
    assert solution.objective == pytest.approx(0.75 + 0.5 + 0.5)
    assert solution.dual[2] == pytest.approx(-2.0)


def test_limits_that_clash_are_proved_to_and_broken_least() -> None:
    # Two ads must share one position, each at most 0.4 of it: 0.2 too little, however it is shared.
    problem = SlateProblem(np.array([2.0, 1.0]), np.eye(2), np.array([0.4, 0.4]), np.array([1.0]))
    solution = solve(problem)
    assert solution.status is Status.INFEASIBLE
    assert solution.violation.sum() == pytest.approx(0.2)
    assert solution.violation == pytest.approx([0.2, 0.0])
    proof = solution.infeasibility_proof
    assert proof is not None
    assert (proof >= 0.0).all()
    assert min(proof) > proof @ problem.limits


@pytest.mark.parametrize("seed", range(60))
def test_tiny_problems_match_the_mixture_over_all_rankings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, num_limits = int(rng.integers(1, 6)), int(rng.integers(0, 4))
    k = int(rng.integers(1, n + 1))
    value, weights = rng.integers(-3, 6, n).astype(float), rng.integers(0, 4, (num_limits, n)).astype(float)
    attention = np.sort(rng.choice([0.25, 0.5, 1.0], k))[::-1]
    limits = weights.mean(axis=1) * attention.sum() * rng.uniform(0.5, 1.5)
    problem = SlateProblem(value, weights, limits, attention)
    solution = solve(problem)
    check_mixture(problem, solution)
    expected = brute_force(problem)
    if np.isfinite(expected):
        assert solution.status is Status.OPTIMAL
        assert solution.objective == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert solution.violation == pytest.approx(np.zeros(num_limits), abs=1e-9)
    else:
        assert solution.status is Status.INFEASIBLE
