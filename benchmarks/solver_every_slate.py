"""How good is the one slate that keeps every limit? `python -m benchmarks.solver_every_slate`.

Against HiGHS's branch and bound on the same problem as an integer program: each candidate at each position or
not. Random limits, from loose to hopeless. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from ranker.solver import Mode, Settings, SlateProblem, solve, warm_up
from ranker.solver.instances import ads, gaussian, group_shares, uniform

CELLS = [(8, 2, 3), (8, 4, 5), (20, 3, 5), (50, 3, 5), (100, 5, 5)]
FAMILIES = (uniform, gaussian, ads, group_shares)
KEPT = 1e-9


def random_problem(seed: int, cell: tuple[int, int, int]) -> SlateProblem:
    """Returns a problem whose limits lie around the use of a mean slate, or well below."""
    n, num_limits, k = cell
    rng = np.random.default_rng((seed, *cell))
    value, weights = FAMILIES[seed % len(FAMILIES)](rng, n, num_limits)
    attention = 1.0 / np.log2(2.0 + np.arange(k))
    slates = np.array([rng.permutation(n)[:k] for _ in range(20)])
    use = weights[:, slates] @ attention
    return SlateProblem(value, weights, np.quantile(use, rng.uniform(0.0, 0.6), axis=1), attention)


def best_by_highs(problem: SlateProblem, seconds: float) -> tuple[float, bool]:
    """Returns the value of the best slate, −inf if there is none, and whether HiGHS proved that in time."""
    n, k = problem.num_candidates, problem.num_positions
    each = sparse.kron(sparse.eye_array(n), np.ones((1, k)))
    place = sparse.kron(np.ones((1, n)), sparse.eye_array(k))
    use = np.kron(problem.weights, problem.attention)
    answer: Any = milp(
        -np.kron(problem.value, problem.attention),
        integrality=np.ones(n * k, np.int64),
        bounds=Bounds(0.0, 1.0),
        constraints=[
            LinearConstraint(sparse.csr_array(each), 0.0, 1.0),
            LinearConstraint(sparse.csr_array(place), 1.0, 1.0),
            LinearConstraint(use, -np.inf, problem.limits),
        ],
        options={"time_limit": seconds, "mip_rel_gap": 1e-9},
    )
    return (-np.inf if answer.x is None else -float(answer.fun)), answer.status in (0, 2)


def compare(cell: tuple[int, int, int], num_problems: int, seconds: float) -> dict[str, Any]:
    """Returns how often ours is feasible where HiGHS's is, and what it loses there."""
    losses, times, missed, unproved, optimal = [], [], 0, 0, 0
    for seed in range(num_problems):
        problem = random_problem(seed, cell)
        start = time.perf_counter()
        solution = solve(problem, Settings(mode=Mode.EVERY_SLATE))
        times.append(time.perf_counter() - start)
        best, proved = best_by_highs(problem, seconds)
        unproved += not proved
        scale = np.abs(problem.weights).max(axis=1) * problem.attention.sum()
        kept = bool((solution.violation <= KEPT * np.where(scale > 0.0, scale, 1.0)).all())
        optimal += solution.status.name == "OPTIMAL"
        if np.isfinite(best) and not kept:
            missed += 1
        elif np.isfinite(best):
            losses.append((best - solution.objective) / max(abs(best), 1e-9))
    return {
        "cell": cell,
        "problems": num_problems,
        "feasible_by_highs": len(losses) + missed,
        "missed": missed,
        "unproved_by_highs": unproved,
        "proved_by_us": optimal,
        "mean_loss": float(np.mean(losses)) if losses else None,
        "greatest_loss": float(np.max(losses)) if losses else None,
        "milliseconds_p50_p99": [round(1e3 * float(q), 2) for q in np.quantile(times, [0.5, 0.99])],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=100, help="in each cell")
    parser.add_argument("--highs-seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    warm_up()
    cells = []
    for cell in CELLS:
        cells.append(compare(cell, arguments.problems, arguments.highs_seconds))
        print(cells[-1], flush=True)
    print(json.dumps({"cells": cells}))


if __name__ == "__main__":
    main()
