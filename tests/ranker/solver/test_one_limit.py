"""With one limit the walk is a secant method between the best slates on either side of the optimum."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.solver import SlateProblem, Status, solve
from ranker.solver.column_generation import FIRST_CAP


def line_at(problem: SlateProblem, price: float) -> tuple[float, float]:
    """Returns value and excess use of the best slate at a price of the limit."""
    scores = problem.value - price * problem.weights[0]
    slate = np.argsort(-scores, kind="stable")[: problem.num_positions]
    a = problem.attention
    return float(a @ problem.value[slate]), float(a @ problem.weights[0, slate] - problem.limits[0])


def secant(problem: SlateProblem) -> tuple[float, int]:
    """Returns the optimum and how many slates a two-sided secant method prices from 0 and the first cap."""
    left = line_at(problem, 0.0)
    if left[1] <= 0.0:
        return left[0], 1
    cap = FIRST_CAP * problem.value.max() / problem.weights.max()
    right = line_at(problem, cap)
    assert right[1] < 0.0
    bound = min(left[0], right[0] - cap * right[1])
    for num_steps in range(2, 100):
        price = (left[0] - right[0]) / (left[1] - right[1])
        meeting = left[0] - price * left[1]
        if bound <= meeting * (1.0 + 1e-9):
            return meeting, num_steps
        value, excess = line_at(problem, price)
        bound = min(bound, value - price * excess)
        left, right = ((value, excess), right) if excess > 0.0 else (left, (value, excess))
    raise AssertionError("a secant method ends")


@pytest.mark.parametrize(("n", "k"), [(5, 2), (50, 5), (100, 10), (1000, 10), (300, 50)])
def test_one_limit_takes_the_steps_of_a_secant_method(n: int, k: int) -> None:
    rng = np.random.default_rng([n, k])
    taken, expected = [], []
    for _ in range(40):
        value, weights = rng.random(n), rng.random((1, n))
        attention = 1.0 / np.log2(2.0 + np.arange(k))
        limits = rng.uniform(0.6, 1.2) * weights.mean(axis=1) * attention.sum()
        problem = SlateProblem(value, weights, limits, attention)
        solution = solve(problem)
        optimum, num_steps = secant(problem)
        assert solution.status is Status.OPTIMAL
        assert solution.objective == pytest.approx(optimum, rel=1e-9)
        taken.append(solution.num_steps)
        expected.append(num_steps)
    assert len(set(expected)) > 1
    # Where two lines that differ by one swap meet, both orders are best: there either method may take either.
    assert np.mean(np.array(taken) == expected) >= 0.9
    np.testing.assert_allclose(taken, expected, atol=1)
