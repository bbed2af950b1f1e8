"""Times linear programming libraries on files of problems: a process of its own, as they share no process.

`python benchmarks/solver_rivals.py ortools|highs SECONDS LIMIT` reads paths of .npz files from standard input
and answers each with a line of JSON: for each configuration [CPU seconds of the solve, the same from arrays
to arrays, objective] of one problem after another, until SECONDS are spent; the objective is null where LIMIT
seconds did not suffice.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_ASSIGNMENT = 5000
"""Variables up to which the assignment program is tried."""

LARGEST_OTHER = 50_000
"""Variables up to which those are tried that are slower than GLOP and HiGHS."""


class Program(NamedTuple):
    """Holds min costᵀz, lower ≤ matrix z ≤ upper, 0 ≤ z ≤ 1."""

    cost: Any
    matrix: Any
    lower: Any
    upper: Any


ROUNDS = 10
"""Times that each problem is solved, where the seconds admit it: the least counts, as for our own calls."""

Answer = tuple[float, float, float | None]
"""CPU seconds of the solve alone, the same with the copies of model and answer, and the objective."""


def strong_program(problem: Any) -> Program:
    """Returns the program over the hypersimplices whose sum is the hull of the rankings: K + k rows."""
    a, M, b, c = problem
    steps = a - np.append(a[1:], 0.0)
    k = a.size
    uses = sparse.csr_matrix(np.kron(steps, M))
    counts = np.arange(1.0, k + 1.0)
    return Program(
        -np.kron(steps, c),
        sparse.csr_matrix(sparse.vstack([uses, sparse.kron(np.eye(k), np.ones((1, c.size)))])),
        np.concatenate([np.full(b.size, -np.inf), counts]),
        np.concatenate([b, counts]),
    )


def assignment_program(problem: Any) -> Program:
    """Returns the program over doubly substochastic matrices: K + k + n rows."""
    a, M, b, c = problem
    n, k = c.size, a.size
    positions = sparse.kron(np.eye(k), np.ones((1, n)))
    candidates = sparse.kron(np.ones((1, k)), sparse.eye(n))
    return Program(
        -np.kron(a, c),
        sparse.csr_matrix(sparse.vstack([sparse.csr_matrix(np.kron(a, M)), positions, candidates])),
        np.concatenate([np.full(b.size, -np.inf), np.ones(k), np.full(n, -np.inf)]),
        np.concatenate([b, np.ones(k), np.ones(n)]),
    )


def solve_ortools(name: str, parameters: str, program: Program, limit: float) -> Answer:
    """Returns the answer of GLOP or PDLP."""
    from ortools.linear_solver.python import model_builder_helper as helper

    begun, size = time.process_time(), program.cost.size
    model = helper.ModelBuilderHelper()
    model.fill_model_from_sparse_data(
        np.zeros(size), np.ones(size), program.cost, program.lower, program.upper, program.matrix
    )
    solver = helper.ModelSolverHelper(name)
    solver.set_solver_specific_parameters(parameters)
    solver.set_time_limit_in_seconds(limit)
    start = time.process_time()
    solver.solve(model)
    seconds = time.process_time() - start
    solved = solver.has_solution() and solver.status() == helper.SolveStatus.OPTIMAL
    if solved:
        solver.variable_values()
    return seconds, time.process_time() - begun, -solver.objective_value() if solved else None


def solve_highs(presolve: str, program: Program, limit: float) -> Answer:
    """Returns the answer of HiGHS."""
    import highspy

    # Who ran HiGHS in this process before may have fixed another number of threads, which HiGHS then refuses.
    cast("Any", highspy).Highs.resetGlobalScheduler(True)
    columns = sparse.csc_matrix(program.matrix)
    begun = time.process_time()
    highs = cast("Any", highspy).Highs()
    settings = {"output_flag": False, "threads": 1, "presolve": presolve, "time_limit": limit}
    for option, value in settings.items():
        highs.setOptionValue(option, value)
    lp = cast("Any", highspy).HighsLp()
    lp.num_col_, lp.num_row_ = columns.shape[1], columns.shape[0]
    lp.col_cost_, lp.col_lower_ = program.cost, np.zeros(columns.shape[1])
    lp.col_upper_, lp.row_lower_, lp.row_upper_ = np.ones(columns.shape[1]), program.lower, program.upper
    lp.a_matrix_.start_, lp.a_matrix_.index_ = columns.indptr, columns.indices
    lp.a_matrix_.value_ = columns.data
    highs.passModel(lp)
    start = time.process_time()
    highs.run()
    seconds = time.process_time() - start
    solved = highs.getModelStatus() == cast("Any", highspy).HighsModelStatus.kOptimal
    np.array(highs.getSolution().col_value)
    objective = -highs.getInfo().objective_function_value if solved else None
    return seconds, time.process_time() - begun, objective


def solve_scipy(problem: Any, limit: float) -> Answer:
    """Returns the answer of scipy's linprog, end to end, on the strong program."""
    from scipy.optimize import linprog

    start = time.process_time()
    program = strong_program(problem)
    num_limits = problem[2].size
    linprog_of: Any = linprog
    answer = linprog_of(
        program.cost,
        A_ub=program.matrix[:num_limits],
        b_ub=program.upper[:num_limits],
        A_eq=program.matrix[num_limits:],
        b_eq=program.upper[num_limits:],
        bounds=(0.0, 1.0),
        method="highs",
        options={"time_limit": limit},
    )
    seconds = time.process_time() - start
    return seconds, seconds, -answer.fun if answer.status == 0 else None


def solve_cvxpy(problem: Any, limit: float) -> Answer:
    """Returns the answer of cvxpy with Clarabel, end to end, on the strong program."""
    import cvxpy as cp

    start = time.process_time()
    program = strong_program(problem)
    num_limits = problem[2].size
    z = cp.Variable(program.cost.size)
    constraints = [
        program.matrix[:num_limits] @ z <= program.upper[:num_limits],
        program.matrix[num_limits:] @ z == program.upper[num_limits:],
        z >= 0,
        z <= 1,
    ]
    model = cp.Problem(cp.Minimize(program.cost @ z), constraints)
    solve_model: Any = model.solve
    try:
        solve_model(solver=cp.CLARABEL, time_limit=limit)
    except cp.SolverError:
        seconds = time.process_time() - start
        return seconds, seconds, None
    seconds = time.process_time() - start
    return seconds, seconds, -float(cast("Any", model.value)) if model.status == cp.OPTIMAL else None


def configurations(library: str, problem: Any) -> dict[str, Callable[[Any, float], Answer]]:
    """Returns what the library is tried with on problems of this size, each from problem and limit."""
    forms = [strong_program]
    if problem[0].size * problem[3].size <= LARGEST_ASSIGNMENT:
        forms.append(assignment_program)
    tried: dict[str, Callable[[Any, float], Answer]] = {}
    for form in forms:
        name = form.__name__.removesuffix("_program")
        if library == "ortools":
            for simplex, flag in (("primal", "false"), ("dual", "true")):
                solve = partial(solve_ortools, "GLOP", f"use_dual_simplex:{flag}")
                tried[f"glop_{name}_{simplex}"] = partial(solve_form, form, solve)
        else:
            for presolve in ("on", "off"):
                tried[f"highs_{name}_presolve_{presolve}"] = partial(
                    solve_form, form, partial(solve_highs, presolve)
                )
    if problem[0].size * problem[3].size > LARGEST_OTHER:
        return tried
    if library == "ortools":
        tried["pdlp_strong"] = partial(solve_form, strong_program, partial(solve_ortools, "PDLP", ""))
    else:
        tried["scipy_end_to_end"] = solve_scipy
        tried["cvxpy_clarabel_end_to_end"] = solve_cvxpy
    return tried


def solve_form(form: Any, solve: Any, problem: Any, limit: float) -> Answer:
    """Returns the answer to one form of the problem."""
    answer: Answer = solve(form(problem), limit)
    return answer


def answers(library: str, path: str, seconds: float, limit: float) -> dict[str, list[Answer]]:
    """Returns for each configuration the answers to the first problems of the file."""
    file = np.load(path)
    arrays = [file[name] for name in ("attention", "weights", "limits", "value")]
    problems = list(zip(*arrays, strict=True))
    found: dict[str, list[Answer]] = {}
    for name, solve in configurations(library, problems[0]).items():
        found[name] = []
        until = time.monotonic() + seconds
        for turn in range(ROUNDS * len(problems)):
            index = turn % len(problems)
            answer = solve(problems[index], limit)
            if turn < len(problems):
                found[name].append(answer)
            else:
                alone, whole, objective = found[name][index]
                found[name][index] = min(alone, answer[0]), min(whole, answer[1]), objective
            if time.monotonic() > until:
                break
    return found


def main() -> None:
    library, seconds, limit = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    first = [np.array([1.0]), np.array([[1.0, 0.0]]), np.array([0.5]), np.array([2.0, 1.0])]
    for solve in configurations(library, first).values():
        solve(first, limit)  # imports and first calls are nobody's time
    for line in sys.stdin:
        print(json.dumps(answers(library, line.strip(), seconds, limit)), flush=True)


if __name__ == "__main__":
    main()
