"""What do weights by position cost? Beside HiGHS on the assignment program, and weights by attention."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from ranker.solver import PositionedProblem, SlateProblem, Status, builders, solve, solve_positioned

CELLS = ((50, 3, 5), (100, 5, 10), (1000, 5, 10), (1000, 10, 10), (1000, 5, 50))
LARGEST_PROGRAM = 10_000


def positioned(rng: np.random.Generator, cell: tuple[int, int, int]) -> PositionedProblem:
    """Returns ads of which groups are limited among the top third of the positions, by count."""
    n, num_limits, k = cell
    attention = 1.0 / np.log2(2.0 + np.arange(k))
    value, top = rng.lognormal(size=n), max(k // 3, 1)
    limits = []
    for q in range(num_limits):
        members = rng.random(n) < 0.4
        if q % 2 == 0:
            limits.append(builders.count_in_top(members, top, k, at_most=0.25 * top))
        else:
            limits.append(builders.count_in_top(members, top, k, at_least=0.6 * top))
    rows = builders.stack_positioned(limits, n, attention)
    return PositionedProblem(np.outer(value, attention), **rows._asdict())


def by_attention(problem: PositionedProblem) -> SlateProblem:
    """Returns the problem of the same size whose groups get a share of attention in place of a count."""
    attention = 1.0 / np.log2(2.0 + np.arange(problem.num_positions))
    members, share = problem.weights[:, :, 0], attention.sum() / problem.weights[0, :, :].max(axis=0).sum()
    assert problem.lower_limits is not None
    return SlateProblem(
        problem.value[:, 0],
        members,
        problem.limits * share,
        attention,
        lower_limits=problem.lower_limits * share,
    )


def solve_program(problem: PositionedProblem) -> float:
    """Returns the optimum of the assignment program by scipy's HiGHS."""
    n, k = problem.value.shape
    assert problem.lower_limits is not None
    uses = sparse.csr_array(problem.weights.reshape(problem.num_constraints, n * k))
    above, below = np.isfinite(problem.limits), np.isfinite(problem.lower_limits)
    candidates = sparse.kron(sparse.eye_array(n), np.ones((1, k)))
    linprog_of: Any = linprog
    answer = linprog_of(
        -problem.value.ravel(),
        A_ub=sparse.csr_array(sparse.vstack([uses[above], -uses[below], candidates])),
        b_ub=np.concatenate([problem.limits[above], -problem.lower_limits[below], np.ones(n)]),
        A_eq=sparse.csr_array(sparse.kron(np.ones((1, n)), sparse.eye_array(k))),
        b_eq=np.ones(k),
        method="highs",
    )
    return -float(answer.fun) if answer.status == 0 else float("nan")


def seconds_of(function: Any, repeats: int) -> float:
    """Returns the least CPU time of some calls."""
    seconds = []
    for _ in range(repeats):
        start = time.thread_time()
        function()
        seconds.append(time.thread_time() - start)
    return min(seconds)


def cost(cell: tuple[int, int, int], count: int, num_rivals: int) -> dict[str, Any]:
    """Returns a row of the table for one cell."""
    rng = np.random.default_rng(cell)
    ours, plain, steps, ratios, difference, optimal = [], [], [], [], 0.0, 0
    for index in range(count):
        problem = positioned(rng, cell)
        attended = by_attention(problem)
        ours.append(seconds_of(lambda p=problem: solve_positioned(p), 2))
        plain.append(seconds_of(lambda p=attended: solve(p), 3))
        solution = solve_positioned(problem)
        steps.append(solution.num_steps)
        optimal += solution.status is Status.OPTIMAL
        if index < num_rivals and problem.value.size <= LARGEST_PROGRAM:
            ratios.append(seconds_of(lambda p=problem: solve_program(p), 1) / ours[-1])
            if solution.status is Status.OPTIMAL:
                error = abs(solve_program(problem) / solution.objective - 1.0)
                difference = max(difference, error)
    return {
        "cell": cell,
        "optimal": optimal,
        "instances": count,
        "steps": float(np.median(steps)),
        "ms": [1e3 * float(q) for q in np.quantile(ours, [0.5, 0.99])],
        "over_weights_by_attention": float(np.median(np.array(ours) / np.array(plain))),
        "scipy_highs_over_ours": float(np.median(ratios)) if ratios else None,
        "difference": difference if ratios else None,
    }
