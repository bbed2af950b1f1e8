from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranker.solver import Settings, SlateProblem, Status, solve
from ranker.solver.certificate import certify, proves_infeasible
from ranker.solver.instances import random_problem, with_structure
from ranker.solver.reference import solve_reference

SEEDS_PER_CHUNK = 100


@pytest.mark.parametrize("chunk", range(21))
def test_nasty_problems_of_all_shapes_are_solved_and_certified(chunk: int) -> None:
    """Certifies 2,100 problems anew with numpy: that bounds the loss against any other answer."""
    for seed in range(chunk * SEEDS_PER_CHUNK, (chunk + 1) * SEEDS_PER_CHUNK):
        check(random_problem(seed), seed)


@pytest.mark.parametrize("chunk", range(5))
def test_nasty_problems_with_caps_and_pins_are_solved_and_certified(chunk: int) -> None:
    for seed in range(chunk * SEEDS_PER_CHUNK, (chunk + 1) * SEEDS_PER_CHUNK):
        check(with_structure(random_problem(seed, most=(400, 12, 30)), seed), seed)


def check(problem: SlateProblem, seed: int) -> None:
    solution = solve(problem)
    found = certify(problem, solution)
    assert solution.status is not Status.STOPPED, seed
    assert solution.num_steps <= Settings().steps_until_ellipsoid, seed
    assert found.not_a_mixture <= 1e-12, seed
    assert found.misreport <= 1e-13, seed
    assert found.support <= 0, seed
    assert found.gap <= 1e-8 + found.sensitivity, seed
    if solution.status is Status.INFEASIBLE:
        assert proves_infeasible(problem, solution), seed
    else:
        assert found.violation <= 1e-9, seed


@pytest.mark.parametrize("chunk", range(3))
def test_a_warm_start_from_another_problem_leads_to_a_certified_answer(chunk: int) -> None:
    for seed in range(chunk * SEEDS_PER_CHUNK, (chunk + 1) * SEEDS_PER_CHUNK):
        plain = random_problem(seed, most=(400, 12, 30))
        problem = with_structure(plain, seed)
        cold, start = solve(problem), solve(replace(plain, value=plain.value[::-1]))
        warm = solve(problem, warm_start=start)
        found = certify(problem, warm)
        assert warm.status is cold.status, seed
        assert found.not_a_mixture <= 1e-12, seed
        assert found.gap <= 1e-8 + found.sensitivity, seed
        assert found.violation <= 1e-9 or warm.status is Status.INFEASIBLE, seed


@pytest.mark.parametrize("seed", range(5000, 5100))
def test_nasty_problems_match_highs(seed: int) -> None:
    problem = random_problem(seed, most=(40, 6, 8))
    solution, expected = solve(problem), solve_reference(problem)
    found = certify(problem, solution)
    scale = max(abs(expected.objective), 1e-3 * np.abs(problem.value).max() * problem.attention.sum(), 1e-300)
    difference = abs(solution.objective - expected.objective) / scale
    assert difference <= 1e-8 + 2.0 * found.sensitivity
