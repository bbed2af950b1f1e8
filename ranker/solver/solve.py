"""The solver's front door for one problem."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ranker.solver.batch import run
from ranker.solver.every_slate import solve_every_slate
from ranker.solver.settings import Mode, Settings
from ranker.solver.solution import Solution, Status, solution_at

if TYPE_CHECKING:
    from ranker.solver.problem import SlateProblem
    from ranker.solver.settings import Deadline

DEFAULTS = Settings()

FIRST_ROUND_SECONDS = 2e-4
STEP_SECONDS = 1e-6
STEP_SECONDS_PER_WEIGHT = 1e-9


def solve(
    problem: SlateProblem,
    settings: Settings = DEFAULTS,
    *,
    warm_start: Solution | None = None,
    deadline: Deadline | None = None,
) -> Solution:
    """Returns the best mixture of slates for the problem, with its certificate.

    A warm start is a solution for the same candidates and positions: its slates and dual are tried
    first. With a deadline the search goes in rounds, each from the end of the last, that grow twofold
    but stay within the time that is left.
    """
    if settings.mode is Mode.EVERY_SLATE:
        return solve_every_slate(problem.request, settings)
    if deadline is None:
        return solve_round(problem, settings, warm_start)
    step_seconds = STEP_SECONDS + STEP_SECONDS_PER_WEIGHT * problem.weights.size
    round_seconds, num_steps = FIRST_ROUND_SECONDS, 0
    while True:
        left = deadline.seconds_left()
        affordable = max(int(min(round_seconds, left) / step_seconds), 1)
        limit = min(affordable, settings.max_num_steps - num_steps)
        solution = solve_round(problem, replace(settings, max_num_steps=limit), warm_start)
        seconds, left = left - deadline.seconds_left(), deadline.seconds_left()
        num_steps += solution.num_steps
        if solution.status is not Status.STOPPED or left <= 0.0 or num_steps >= settings.max_num_steps:
            return replace(solution, num_steps=num_steps)
        step_seconds = max(seconds / solution.num_steps, 1e-9)
        round_seconds *= 2.0
        warm_start = solution


def solve_round(problem: SlateProblem, settings: Settings, warm_start: Solution | None) -> Solution:
    """Returns what the search reaches within its steps."""
    request = problem.request
    if warm_start is not None:
        request = request._replace(known_slates=warm_start.slates[None], known_dual=warm_start.dual[None])
    return solution_at(run(request, settings), 0)
