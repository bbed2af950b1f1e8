"""Times one linear programming library on the problems of a file: it runs in a process of its own.

`python benchmarks/solver_rivals.py glop|highs problems.npz`: HiGHS and OR-Tools do not load into one process.
Prints for each problem the CPU seconds of the best configuration and its objective.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, cast

import numpy as np
from scipy import sparse


def strong_program(c: Any, M: Any, b: Any, a: Any) -> dict[str, Any]:
    """Returns min costᵀz over the hypersimplices whose sum is the hull of the rankings."""
    steps = a - np.append(a[1:], 0.0)
    k = a.size
    matrix = sparse.vstack(
        [sparse.csr_matrix(np.kron(steps, M)), sparse.kron(np.eye(k), np.ones((1, c.size)))]
    )
    counts = np.arange(1.0, k + 1.0)
    return {
        "cost": -np.kron(steps, c),
        "matrix": sparse.csr_matrix(matrix),
        "lower": np.concatenate([np.full(b.size, -np.inf), counts]),
        "upper": np.concatenate([b, counts]),
    }


def solve_glop(program: dict[str, Any], dual_simplex: bool) -> tuple[float, float]:
    """Returns CPU seconds and objective of OR-Tools' GLOP."""
    from ortools.linear_solver.python import model_builder_helper as helper

    size = program["cost"].size
    model = helper.ModelBuilderHelper()
    arrays = (np.zeros(size), np.ones(size), program["cost"], program["lower"], program["upper"])
    model.fill_model_from_sparse_data(*arrays, program["matrix"])
    solver = helper.ModelSolverHelper("GLOP")
    solver.set_solver_specific_parameters(f"use_dual_simplex:{str(dual_simplex).lower()}")
    start = time.process_time()
    solver.solve(model)
    return time.process_time() - start, -solver.objective_value()


def solve_highs(program: dict[str, Any], presolve: bool) -> tuple[float, float]:
    """Returns CPU seconds and objective of HiGHS."""
    import highspy

    highs = cast("Any", highspy).Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("presolve", "on" if presolve else "off")
    columns = sparse.csc_matrix(program["matrix"])
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = columns.shape[1], columns.shape[0]
    lp.col_cost_, lp.col_lower_ = program["cost"], np.zeros(columns.shape[1])
    lp.col_upper_, lp.row_lower_, lp.row_upper_ = (
        np.ones(columns.shape[1]),
        program["lower"],
        program["upper"],
    )
    lp.a_matrix_.start_, lp.a_matrix_.index_ = columns.indptr, columns.indices
    lp.a_matrix_.value_ = columns.data
    highs.passModel(lp)
    start = time.process_time()
    highs.run()
    return time.process_time() - start, -highs.getInfo().objective_function_value


def main() -> None:
    solve = {"glop": solve_glop, "highs": solve_highs}[sys.argv[1]]
    problems = np.load(sys.argv[2])
    answers = []
    for index in range(len(problems["value"])):
        names = ("value", "weights", "limits", "attention")
        program = strong_program(*(problems[name][index] for name in names))
        answers.append(min(solve(program, flag) for flag in (True, False)))
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
