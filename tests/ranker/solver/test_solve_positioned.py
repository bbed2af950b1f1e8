from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from ranker.errors import InvalidInputError
from ranker.solver import (
    Deadline,
    Mode,
    PositionedProblem,
    Settings,
    SlateProblem,
    Solution,
    Status,
    solve,
    solve_positioned,
)


def random_problem(seed: int, most: tuple[int, int, int] = (6, 3, 4)) -> PositionedProblem:
    """Returns problem `seed`: integer ties or not, elastic, two-sided, with forbidden places or not."""
    rng = np.random.default_rng(seed)
    n, num_limits = int(rng.integers(1, most[0] + 1)), int(rng.integers(0, most[1] + 1))
    k = int(rng.integers(1, min(n, most[2]) + 1))
    if rng.random() < 0.3:
        value = rng.integers(-3, 6, (n, k)).astype(float)
        weights = rng.integers(-1, 3, (num_limits, n, k)).astype(float)
    else:
        value, weights = rng.random((n, k)), rng.normal(size=(num_limits, n, k))
    use, width = weights.mean(axis=1).sum(axis=1), np.abs(weights).mean(axis=1).sum(axis=1)
    limits = use + width * rng.uniform(-0.5, 0.3, num_limits)
    lower = np.where(rng.random(num_limits) < 0.6, -np.inf, limits - width * rng.choice([0.0, 0.4]))
    price = np.where(rng.random(num_limits) < 0.6, np.inf, rng.uniform(0.1, 3.0, num_limits))
    allowed = rng.random((n, k)) < 0.8
    allowed[np.arange(k), np.arange(k)] = True
    return PositionedProblem(value, weights, limits, price, lower, allowed if rng.random() < 0.5 else None)


def all_slates(problem: PositionedProblem) -> np.ndarray:
    """Returns every allowed slate."""
    slates = np.array(list(itertools.permutations(range(problem.num_candidates), problem.num_positions)))
    if problem.allowed is not None:
        slates = slates[problem.allowed[slates, np.arange(problem.num_positions)].all(axis=1)]
    return slates


def assignment_program(problem: PositionedProblem) -> float:
    """Returns the optimum over doubly substochastic matrices by HiGHS; upper limits only, all hard."""
    n, k = problem.value.shape
    candidates = sparse.kron(sparse.eye_array(n), np.ones((1, k)))
    positions = sparse.kron(np.ones((1, n)), sparse.eye_array(k))
    uses = problem.weights.reshape(problem.num_constraints, n * k)
    answer = linprog(
        -problem.value.ravel(),
        A_ub=sparse.vstack([sparse.csr_array(uses), candidates]).tocsr(),
        b_ub=np.append(problem.limits, np.ones(n)),
        A_eq=positions.tocsr(),
        b_eq=np.ones(k),
    )
    assert answer.status == 0
    return -float(answer.fun)


def check(problem: PositionedProblem, solution: Solution) -> None:
    """Checks what must hold of every solution, recomputing all from the slates."""
    k = problem.num_positions
    lower = np.full(solution.use.size, -np.inf) if problem.lower_limits is None else problem.lower_limits
    assert 1 <= solution.probabilities.size <= problem.num_constraints + 1
    assert solution.probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert (solution.probabilities > 0.0).all()
    for slate in solution.slates:
        assert np.unique(slate).size == k
        assert problem.allowed is None or problem.allowed[slate, np.arange(k)].all()
    use = problem.weights[:, solution.slates, np.arange(k)].sum(axis=2) @ solution.probabilities
    np.testing.assert_allclose(use, solution.use, atol=1e-12)
    violation = np.maximum(np.maximum(use - problem.limits, lower - use), 0.0)
    np.testing.assert_allclose(violation, solution.violation, atol=1e-12)
    assert solution.objective <= solution.upper_bound


def test_at_most_half_a_video_on_top_moves_it_down_half_of_the_time() -> None:
    # Two ads, two positions of attention 1 and 0.5; ad 0, worth 2, may be first in half of the draws.
    # Worth: half (2 + 0.5) and half (1 + 1) = 2.25. By attention alone it would cost the position twice over.
    value, weights = np.outer([2.0, 1.0], [1.0, 0.5]), np.array([[[1.0, 0.0], [0.0, 0.0]]])
    solution = solve_positioned(PositionedProblem(value, weights, np.array([0.5])))
    assert solution.status is Status.OPTIMAL
    assert solution.objective == pytest.approx(2.25, rel=1e-12)
    assert sorted(solution.slates.tolist()) == [[0, 1], [1, 0]]
    assert solution.probabilities == pytest.approx([0.5, 0.5], rel=1e-12)
    assert solution.dual == pytest.approx([0.5], rel=1e-12)


def test_without_limits_the_slate_is_the_best_assignment() -> None:
    value = np.array([[5.0, 4.0], [4.0, 1.0], [0.0, 3.0]])
    solution = solve_positioned(PositionedProblem(value, np.empty((0, 3, 2)), np.empty(0)))
    assert solution.slates.tolist() == [[1, 0]]
    assert solution.objective == 8.0
    assert solution.num_steps == 1


def test_a_place_that_is_forbidden_stays_empty_of_the_candidate() -> None:
    allowed = np.array([[False, True], [True, True], [True, True]])
    value = np.outer([3.0, 2.0, 1.0], [1.0, 0.5])
    problem = PositionedProblem(value, np.empty((0, 3, 2)), np.empty(0), allowed=allowed)
    assert solve_positioned(problem).slates.tolist() == [[1, 0]]


def test_cheap_violation_is_bought_and_dear_violation_is_not() -> None:
    value, weights = np.outer([2.0, 1.0], [1.0, 0.5]), np.array([[[1.0, 0.0], [0.0, 0.0]]])
    for price, violation in ((0.4, 0.5), (0.6, 0.0)):
        problem = PositionedProblem(value, weights, np.array([0.5]), np.array([price]))
        solution = solve_positioned(problem)
        assert solution.violation == pytest.approx([violation], abs=1e-12)
        assert solution.objective == pytest.approx(2.5 - 0.2 if violation else 2.25)


def test_limits_that_clash_are_proved_to() -> None:
    # One of two ads must be first, each in at most 0.4 of the draws.
    weights = np.zeros((2, 2, 1))
    weights[0, 0], weights[1, 1] = 1.0, 1.0
    problem = PositionedProblem(np.array([[2.0], [1.0]]), weights, np.array([0.4, 0.4]))
    solution = solve_positioned(problem)
    assert solution.status is Status.INFEASIBLE
    assert solution.violation == pytest.approx([0.2, 0.0], abs=1e-9)
    proof = solution.infeasibility_proof
    assert proof is not None
    assert min(proof) > proof @ problem.limits


@pytest.mark.parametrize("chunk", range(10))
def test_tiny_problems_match_the_mixture_over_all_slates(chunk: int) -> None:
    for seed in range(chunk * 30, (chunk + 1) * 30):
        problem = random_problem(seed)
        solution = solve_positioned(problem)
        check(problem, solution)
        # The same problem as one of choosing among all slates for one position, which `solve` is tested on.
        slates = all_slates(problem)
        positions = np.arange(problem.num_positions)
        value = problem.value[slates, positions].sum(axis=1)
        use = problem.weights[:, slates, positions].sum(axis=2)
        sides = (problem.limits, np.ones(1), problem.violation_price, problem.lower_limits)
        expected = solve(SlateProblem(value, use, *sides))
        assert solution.status is expected.status, seed
        if expected.status is Status.OPTIMAL:
            assert solution.objective == pytest.approx(expected.objective, rel=1e-8, abs=1e-8), seed
            assert solution.gap <= 1e-8 * max(1.0, abs(solution.objective)), seed
        else:
            proof = solution.infeasibility_proof
            assert proof is not None
            assert problem.lower_limits is not None
            limit = np.where(proof > 0, problem.limits, np.where(proof < 0, problem.lower_limits, 0.0))
            assert (proof @ use).min() > proof @ limit, seed
            assert problem.violation_price is not None
            assert (proof[np.isfinite(problem.violation_price)] == 0.0).all(), seed


@pytest.mark.parametrize("seed", range(12))
def test_larger_problems_match_highs_on_the_assignment_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, num_limits, k = int(rng.integers(10, 60)), int(rng.integers(1, 9)), int(rng.integers(2, 9))
    value, weights = rng.random((n, k)), rng.random((num_limits, n, k))
    problem = PositionedProblem(value, weights, 0.7 * weights.mean(axis=1).sum(axis=1))
    solution = solve_positioned(problem)
    check(problem, solution)
    assert solution.status is Status.OPTIMAL
    assert solution.violation.max() <= 1e-9
    assert solution.objective == pytest.approx(assignment_program(problem), rel=1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_weights_that_follow_attention_give_what_the_slate_solver_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    value, weights, attention = rng.random(40), rng.normal(size=(4, 40)), 0.8 ** np.arange(6)
    limits = weights.mean(axis=1) * attention.sum() - 0.2
    expected = solve(SlateProblem(value, weights, limits, attention))
    pairs = weights[:, :, None] * attention
    solution = solve_positioned(PositionedProblem(np.outer(value, attention), pairs, limits))
    assert solution.status is expected.status
    assert solution.objective == pytest.approx(expected.objective, rel=1e-8)


@pytest.mark.parametrize("num_steps", [1, 3, 8])
def test_every_bound_on_the_way_is_true(num_steps: int) -> None:
    for seed in range(40):
        problem = random_problem(seed, most=(20, 4, 6))
        best = solve_positioned(problem)
        early = solve_positioned(problem, Settings(max_num_steps=num_steps))
        assert early.num_steps <= num_steps
        if best.status is Status.OPTIMAL and early.violation.max(initial=0.0) <= 1e-12:
            assert early.objective - 1e-8 <= best.objective <= early.upper_bound + 1e-8


def test_a_spent_deadline_still_yields_a_mixture() -> None:
    problem = random_problem(5, most=(60, 6, 8))
    stopped = solve_positioned(problem, deadline=Deadline(lambda: 1.0, at=0.0))
    assert stopped.num_steps == 1
    check(problem, stopped)


def test_the_own_solution_is_the_best_warm_start() -> None:
    rng = np.random.default_rng(3)
    weights = rng.random((6, 80, 8))
    problem = PositionedProblem(rng.random((80, 8)), weights, 0.7 * weights.mean(axis=1).sum(axis=1))
    cold = solve_positioned(problem)
    warm = solve_positioned(problem, warm_start=cold)
    assert warm.objective == pytest.approx(cold.objective, rel=1e-9)
    assert warm.num_steps < cold.num_steps


def test_a_warm_start_may_hold_slates_that_are_no_longer_allowed() -> None:
    free = PositionedProblem(np.outer([3.0, 2.0, 1.0], [1.0, 0.5]), np.empty((0, 3, 2)), np.empty(0))
    allowed = np.array([[False, True], [True, True], [True, True]])
    barred = PositionedProblem(free.value, free.weights, free.limits, allowed=allowed)
    assert solve_positioned(barred, warm_start=solve_positioned(free)).slates.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("n", "num_limits", "k", "value"), [(9, 2, 3, (3, 2)), (9, 1, 4, (4, 1)), (9, 2, 4, 8)]
)
def test_a_warm_start_for_other_dimensions_is_refused(n: int, num_limits: int, k: int, value: object) -> None:
    def problem(n: int, num_limits: int, k: int) -> PositionedProblem:
        return PositionedProblem(
            np.outer(np.arange(1.0, n + 1.0), np.ones(k)), np.zeros((num_limits, n, k)), np.ones(num_limits)
        )

    other = solve_positioned(problem(n, num_limits, k))
    with pytest.raises(InvalidInputError, match="warm_start") as caught:
        solve_positioned(problem(5, 2, 4), warm_start=other)
    assert caught.value.value == value


def test_limits_on_every_slate_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="mode"):
        solve_positioned(random_problem(0), Settings(mode=Mode.EVERY_SLATE))
