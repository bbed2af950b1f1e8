"""What the solver is judged by: the same problem as a linear program, solved by HiGHS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.problem import SlateProblem

TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
AVOIDABLE = 1e-9


class Reference(NamedTuple):
    """Holds the optimum of the linear program."""

    objective: float
    """cᵀx − priced violation, where the hard limits are broken as little as can be."""

    least_violation: float
    """Of the hard limits, each divided by (its largest weight × Σa), summed."""


class Sides(NamedTuple):
    """Holds the one-sided limits sign × use ≤ limit, each an array over them."""

    sign: Floats
    source: Ints
    limit: Floats
    price: Floats
    unit: Floats


def solve_reference(problem: SlateProblem) -> Reference:
    """Returns the optimum of the strong linear program: limits only, neither caps nor pins.

    Its rows are in units of max|M_q| Σa, as HiGHS's tolerances are absolute.

    The hull of the rankings is Σ_l d_l Δ_l with d_l = a_l − a_{l+1} and the hypersimplices
    Δ_l = {z ∈ [0, 1]ⁿ : 1ᵀz = l}: K + k rows in place of the K + n + k of the assignment problem.
    """
    n, k = problem.num_candidates, problem.num_positions
    steps = problem.attention - np.append(problem.attention[1:], 0.0)
    sides = one_sided(problem)
    num_sides = sides.limit.size
    hard = np.isinf(sides.price)
    use = np.kron(steps, (sides.sign / sides.unit)[:, None] * problem.weights[sides.source])
    limit = sides.limit / sides.unit
    program: dict[str, Any] = {
        "A_ub": sparse.csr_array(np.hstack([use, -np.eye(num_sides)])),
        "b_ub": limit,
        "A_eq": sparse.csr_array(np.hstack([np.kron(np.eye(k), np.ones(n)), np.zeros((k, num_sides))])),
        "b_eq": np.arange(1, k + 1),
        "bounds": np.array([(0.0, 1.0)] * (n * k) + [(0.0, np.inf)] * num_sides),
    }
    value = np.kron(steps, problem.value)
    violation = np.append(np.zeros(n * k), hard.astype(float))
    least = minimum(violation, program) if hard.any() else 0.0
    if least > AVOIDABLE:
        program["A_ub"] = sparse.vstack([program["A_ub"], sparse.csr_array(violation[None])])
        program["b_ub"] = np.append(limit, least * (1.0 + 1e-9))
    else:
        program["bounds"][n * k :, 1] = np.where(hard, max(least, 0.0), np.inf)
        least = 0.0
    cost = np.append(-value, np.where(hard, 0.0, sides.price * sides.unit))
    return Reference(-minimum(cost, program), least)


def one_sided(problem: SlateProblem) -> Sides:
    """Returns the finite upper limits, then the finite lower ones with both sides negated."""
    infinite = np.full(problem.num_constraints, np.inf)
    lower = -infinite if problem.lower_limits is None else problem.lower_limits
    price = infinite if problem.violation_price is None else problem.violation_price
    unit = np.abs(problem.weights).max(axis=1, initial=0.0)
    unit = np.where(unit == 0.0, 1.0, unit) * problem.attention.sum()
    above, below = np.flatnonzero(np.isfinite(problem.limits)), np.flatnonzero(np.isfinite(lower))
    source = np.concatenate([above, below])
    sign = np.repeat([1.0, -1.0], [above.size, below.size])
    limit = np.concatenate([problem.limits[above], -lower[below]])
    return Sides(sign, source, limit, price[source], unit[source])


def minimum(cost: Floats, program: dict[str, Any]) -> float:
    """Returns the minimum of costᵀx over the program."""
    scale = float(np.abs(cost).max()) or 1.0
    solve_program: Any = linprog
    answer = solve_program(cost / scale, method="highs", options=TOLERANCES, **program)
    if answer.status != 0:
        raise ArithmeticError(answer.message)
    return float(answer.fun) * scale
