from __future__ import annotations

import numpy as np
import pytest

from benchmarks.solver_dual_methods import evaluate, instance, sorted_slate, subgradient, walk_coordinates
from benchmarks.solver_instances import FAMILIES, problems
from ranker.solver import SlateProblem, Status, solve

CELL = (40, 3, 5)


@pytest.mark.parametrize("seed", range(5))
def test_the_dual_at_a_price_is_that_of_a_full_sort(seed: int) -> None:
    (problem,) = problems("gaussian", (30, 2, seed + 1), 1)
    dual, use = np.array([0.3, 0.7]), np.zeros(2)
    slate = np.zeros(seed + 1, np.int64)
    scores = problem.value - dual @ problem.weights
    best = np.argsort(-scores)[: seed + 1]
    expected = scores[best] @ problem.attention + dual @ problem.limits
    assert evaluate(instance(problem), dual, slate, use) == pytest.approx(expected, rel=1e-12)
    assert slate.tolist() == best.tolist()
    assert use == pytest.approx(problem.weights[:, best] @ problem.attention, rel=1e-12)


def test_a_sort_at_the_optimal_price_scores_what_the_bound_says() -> None:
    for problem in problems("uniform", CELL, 10):
        solution = solve(problem)
        value, use = sorted_slate(instance(problem), solution.dual)
        assert value + solution.dual @ (problem.limits - use) == pytest.approx(solution.upper_bound, rel=1e-9)


def test_one_limit_is_one_line_so_the_walk_along_coordinates_ends_at_the_optimum() -> None:
    for problem in problems("uniform", (40, 1, 5), 20):
        bound, count = walk_coordinates(instance(problem), 1e3)
        assert bound == pytest.approx(solve(problem).objective, rel=1e-9)
        assert count < 100


def test_a_walk_along_coordinates_never_ends_below_the_optimum_and_is_stuck_where_limits_tie() -> None:
    gaps = []
    for problem in problems("uniform", CELL, 20):
        bound, _ = walk_coordinates(instance(problem), 1e3)
        gaps.append(bound / solve(problem).objective - 1.0)
    assert min(gaps) >= -1e-9
    # The dual is no smooth function: at a kink no coordinate may lead down although a slant does.
    assert max(gaps) > 1e-6


def test_subgradients_close_in_on_the_bound_and_on_the_mixture() -> None:
    # The error falls as 1/√steps at least, from one of order 1: 10,000 steps leave 1e-2 or less.
    for problem in problems("uniform", CELL, 5):
        solution = solve(problem)
        bound, value, use = subgradient(instance(problem), float(np.linalg.norm(solution.dual)), 10_000)
        assert solution.objective - 1e-9 <= bound
        assert bound == pytest.approx(solution.objective, rel=1e-2)
        assert value == pytest.approx(solution.objective, rel=1e-2)
        assert (use <= problem.limits + 0.01 * problem.attention.sum()).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_gives_the_same_problems_each_time_and_most_have_an_answer(family: str) -> None:
    def arrays(problem: SlateProblem) -> list[bytes]:
        return [problem.value.tobytes(), problem.weights.tobytes(), problem.limits.tobytes()]

    first, again = list(problems(family, CELL, 12)), list(problems(family, CELL, 12))
    assert [arrays(problem) for problem in first] == [arrays(problem) for problem in again]
    assert sum(solve(problem).status is Status.OPTIMAL for problem in first) >= 6
