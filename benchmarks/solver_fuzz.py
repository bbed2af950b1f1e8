"""Does the solver stay exact on nasty problems? `python -m benchmarks.solver_fuzz --problems 100000`.

Every solution is certified anew; every so many, where the linear program is small, HiGHS is asked too. Where
the two differ by more than a shift of the limits by 1e-9 explains, but ours keeps the limits to 1e-12 and has
a gap of at most 1e-8, weak duality proves that HiGHS is off: its tolerance of 1e-10 holds for each of its
n × k variables alone. Those are counted as highs_refuted and printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter

import numpy as np

from ranker.solver import SlateProblem, Solution, Status, solve
from ranker.solver.certificate import certify, proves_infeasible, unit
from ranker.solver.instances import random_problem, with_structure
from ranker.solver.reference import solve_reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--structured", action="store_true", help="with caps and pins; HiGHS is not asked")
    parser.add_argument("--highs-every", type=int, default=20)
    arguments = parser.parse_args()
    began = time.perf_counter()
    worst: Counter[str] = Counter()
    counts = Counter(bad=0, unproved=0, highs_refuted=0)
    seconds = 0.0
    for seed in range(arguments.first, arguments.first + arguments.problems):
        if seed % 10_000 == 0:
            print(f"{seed} …", flush=True)
        problem = random_problem(seed)
        if arguments.structured:
            problem = with_structure(problem, seed)
        start = time.perf_counter()
        solution = solve(problem)
        seconds += time.perf_counter() - start
        counts[solution.status.name] += 1
        errors, proved = certify(problem, solution)._asdict(), True
        if solution.status is Status.INFEASIBLE:
            errors.pop("violation")
            proved = proves_infeasible(problem, solution)
            counts["unproved"] += not proved
        small = problem.num_candidates * problem.num_positions <= 2000
        asked = seed % arguments.highs_every == 0 and not arguments.structured
        if asked and small and solution.status is Status.OPTIMAL:
            difference = difference_to_highs(problem, solution)
            counts["highs" if np.isfinite(difference) else "highs_gave_up"] += 1
            errors["highs"] = difference if np.isfinite(difference) else 0.0
        errors["num_steps"] = solution.num_steps
        bad = (
            errors["gap"] > 1e-8 + errors["sensitivity"]
            or errors.get("violation", 0.0) > 1e-9
            or errors["support"] > 0
            or solution.status is Status.STOPPED
            or not proved
        )
        bad = bad or errors["not_a_mixture"] > 1e-12
        if errors.get("highs", 0.0) > 1e-8 + 2.0 * errors["sensitivity"]:
            exact = errors["gap"] <= 1e-8 and errors.get("violation", 1.0) <= 1e-12
            counts["highs_refuted"] += exact
            bad = bad or not exact
            show(seed, solution, errors)
        if bad:
            counts["bad"] += 1
            show(seed, solution, errors)
        for key, error in errors.items():
            worst[key] = max(worst[key], error) if key in worst else error
    report = {"problems": arguments.problems, "counts": dict(counts), "worst": dict(worst)}
    report["solve_seconds"], report["seconds"] = seconds, time.perf_counter() - began
    print(json.dumps(report, default=float))


def show(seed: int, solution: Solution, errors: dict[str, float]) -> None:
    """Prints what is worth a look."""
    print(seed, solution.status.name, {key: float(f"{e:.2g}") for key, e in errors.items()}, flush=True)


def difference_to_highs(problem: SlateProblem, solution: Solution) -> float:
    """Returns the relative difference in objective to HiGHS, NaN where HiGHS gives up."""
    try:
        expected = solve_reference(problem)
    except ArithmeticError:
        return float("nan")
    scale = unit(problem.value) * problem.attention.sum()
    return float(abs(solution.objective - expected.objective) / max(abs(expected.objective), 1e-3 * scale))


if __name__ == "__main__":
    with np.errstate(all="raise", under="ignore"):
        main()
