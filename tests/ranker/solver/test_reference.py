from __future__ import annotations

import numpy as np
import pytest

from ranker.solver import SlateProblem, Status, solve
from ranker.solver.reference import solve_reference


def random_problem(rng: np.random.Generator) -> SlateProblem:
    n, num_limits = int(rng.integers(2, 40)), int(rng.integers(1, 7))
    k = int(rng.integers(1, min(n, 8) + 1))
    value, weights = rng.normal(size=n), rng.normal(size=(num_limits, n))
    attention = np.sort(rng.uniform(0.1, 1.0, k))[::-1]
    use = weights.mean(axis=1) * attention.sum()
    width = np.abs(weights).mean(axis=1) * attention.sum()
    limits = use + width * rng.uniform(-0.3, 0.5, num_limits)
    lower = np.where(
        rng.random(num_limits) < 0.5, -np.inf, limits - width * rng.choice([0.0, 0.5], num_limits)
    )
    price = np.where(rng.random(num_limits) < 0.5, np.inf, rng.uniform(0.1, 3.0, num_limits))
    return SlateProblem(value, weights, limits, attention, price, lower)


@pytest.mark.parametrize("seed", range(150))
def test_elastic_two_sided_and_hard_limits_match_highs(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed))
    solution, expected = solve(problem), solve_reference(problem)
    scale = np.abs(problem.value).max() * problem.attention.sum()
    assert problem.violation_price is not None
    hard = np.isinf(problem.violation_price)
    unit = np.abs(problem.weights).max(axis=1) * problem.attention.sum()
    violation = (solution.violation / unit)[hard].sum()
    assert violation == pytest.approx(expected.least_violation, abs=1e-8)
    assert solution.status is (Status.INFEASIBLE if expected.least_violation > 0.0 else Status.OPTIMAL)
    assert solution.objective == pytest.approx(expected.objective, abs=1e-7 * scale)
    assert solution.gap <= 1e-8 * scale
