from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.solver import Settings, SlateProblem, Status, solve
from ranker.solver.certificate import certify, proves_infeasible
from ranker.solver.ellipsoid import most_cuts
from ranker.solver.instances import random_problem

FORCED = Settings(steps_until_ellipsoid=0)


def test_bisection_is_the_ellipsoid_of_one_row() -> None:
    # 4 ln(V / ε) cuts of one row: more than the log₂(V / ε) that halving takes.
    assert most_cuts(1, 2.0**30) == pytest.approx(120.0 * np.log(2.0))


@pytest.mark.parametrize("seed", range(60))
def test_queries_at_the_center_reach_the_same_optimum_within_the_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, num_limits, k = int(rng.integers(5, 60)), int(rng.integers(1, 7)), int(rng.integers(1, 6))
    weights, attention = rng.random((num_limits, n)), 0.8 ** np.arange(k)
    limits = 0.9 * weights.mean(axis=1) * attention.sum()
    # Soft limits: one stage, whose box the prices bound.
    price = rng.uniform(0.1, 4.0, num_limits)
    problem = SlateProblem(rng.random(n), weights, limits, attention, price)
    usual, forced = solve(problem), solve(problem, FORCED)
    assert forced.status is Status.OPTIMAL
    scale = problem.value.max() * attention.sum()
    assert forced.objective == pytest.approx(usual.objective, abs=1e-8 * scale)
    # D varies by max|c| Σa + Σ price × (what use and limit differ by); every other step is a cut.
    units = weights.max(axis=1) * attention.sum()
    variation = (scale + price @ (units + limits)) / (1e-9 * abs(usual.objective))
    assert forced.num_steps <= 2.0 * most_cuts(num_limits, variation) + 1.0


def test_nasty_problems_are_solved_from_the_center_too() -> None:
    for seed in range(9000, 9150):
        problem = random_problem(seed, most=(60, 5, 8))
        solution = solve(problem, FORCED)
        found = certify(problem, solution)
        assert solution.status is not Status.STOPPED, seed
        assert found.support <= 0, seed
        assert found.gap <= 1e-8 + found.sensitivity, seed
        if solution.status is Status.INFEASIBLE:
            assert proves_infeasible(problem, solution), seed
        else:
            assert found.violation <= 1e-9, seed


def test_a_negative_number_of_steps_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="steps_until_ellipsoid"):
        Settings(steps_until_ellipsoid=-1)
