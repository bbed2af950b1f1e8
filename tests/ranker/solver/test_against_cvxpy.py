"""The solver against the problem as a textbook states it, modelled in cvxpy and solved by Clarabel."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

from ranker.solver import SlateProblem, Status, solve


def assignment_optimum(problem: SlateProblem) -> float:
    """Returns the best value over doubly substochastic matrices X (n, k), X[i, j] = P(i stands at j)."""
    n, k = problem.value.size, problem.attention.size
    chance = cp.Variable((n, k), nonneg=True)
    exposure = chance @ problem.attention
    program = cp.Problem(
        cp.Maximize(problem.value @ exposure),
        [
            cp.sum(chance, axis=0) == 1,
            cp.sum(chance, axis=1) <= 1,
            problem.weights @ exposure <= problem.limits,
        ],
    )
    return float(program.solve(solver=cp.CLARABEL))


@pytest.mark.parametrize("seed", range(12))
def test_the_mixture_is_worth_what_the_assignment_program_is(seed):
    rng = np.random.default_rng(seed)
    n, num_limits, k = int(rng.integers(4, 20)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    weights = rng.random((num_limits, n))
    attention = np.sort(rng.uniform(0.2, 1.0, k))[::-1]
    # Between what the thriftiest and what an average slate uses: the limits bind, and can hold one by one.
    thrifty = np.sort(weights, axis=1)[:, :k] @ attention
    limits = thrifty + rng.uniform(0.4, 1.0, num_limits) * (weights.mean(axis=1) * attention.sum() - thrifty)
    problem = SlateProblem(rng.random(n), weights, limits, attention)
    solution = solve(problem)
    if solution.status is Status.INFEASIBLE:
        assert assignment_optimum(problem) == -np.inf
    else:
        # Clarabel stops at 1e-8.
        assert solution.objective == pytest.approx(assignment_optimum(problem), rel=1e-6)
