from __future__ import annotations

import numpy as np
import pytest

from benchmarks.solver_instances import problems
from benchmarks.solver_rivals import assignment_program, configurations, solve_highs, strong_program
from ranker.solver import SlateProblem, Status, solve

highspy = pytest.importorskip("highspy")


def arrays(problem: SlateProblem) -> list[np.ndarray]:
    return [problem.attention, problem.weights, problem.limits, problem.value]


@pytest.mark.parametrize("name", ["strong", "assignment"])
def test_both_programs_have_the_optimum_of_the_slate_problem(name: str) -> None:
    form = {"strong": strong_program, "assignment": assignment_program}[name]
    for problem in problems("ads", (20, 3, 4), 4):
        solution = solve(problem)
        alone, whole, objective = solve_highs("on", form(arrays(problem)), 10.0)
        assert alone < whole
        if solution.status is Status.OPTIMAL:
            assert objective == pytest.approx(solution.objective, rel=1e-8)
        else:
            assert objective is None


def test_highs_answers_where_the_process_has_run_it_on_other_threads() -> None:
    highspy.Highs.resetGlobalScheduler(True)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 2)
    highs.run()
    (problem,) = problems("uniform", (20, 3, 4), 1)
    _, _, objective = solve_highs("on", strong_program(arrays(problem)), 10.0)
    assert objective == pytest.approx(solve(problem).objective, rel=1e-8)


def test_a_library_that_runs_out_of_time_has_no_objective() -> None:
    (problem,) = problems("uniform", (2000, 10, 20), 1)
    _, _, objective = solve_highs("off", strong_program(arrays(problem)), 0.0)
    assert objective is None


def test_the_assignment_program_is_tried_where_it_is_small() -> None:
    (small,) = problems("uniform", (100, 2, 5), 1)
    (large,) = problems("uniform", (5000, 2, 5), 1)
    assert "highs_assignment_presolve_on" in configurations("highs", arrays(small))
    assert "highs_assignment_presolve_on" not in configurations("highs", arrays(large))
