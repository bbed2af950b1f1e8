"""Search for a mixture within a deadline: in rounds, as compiled code has no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranker.solver.batch import Span, run
from ranker.solver.solution import Solution, Status, only_solution

if TYPE_CHECKING:
    from ranker.solver.request import Request
    from ranker.solver.settings import Deadline, Settings

FIRST_ROUND_SECONDS = 2e-4
STEP_SECONDS = 1e-6
STEP_SECONDS_PER_WEIGHT = 1e-9


def solve_in_rounds(
    request: Request, settings: Settings, warm_start: Solution | None, deadline: Deadline | None
) -> Solution:
    """Returns the mixture for the only problem of a request.

    With a deadline the search goes in rounds, each from the end of the last, that grow twofold but stay
    within the time that is left.
    """
    if deadline is None:
        return solve_round(request, settings, warm_start, Span(0, 1, settings.max_num_steps))
    step_seconds = guess_step_seconds(request.weights[0].size)
    round_seconds, num_steps = FIRST_ROUND_SECONDS, 0
    while True:
        left = deadline.seconds_left()
        affordable = max(int(min(round_seconds, left) / step_seconds), 1)
        limit = min(affordable, settings.max_num_steps - num_steps)
        solution = solve_round(request, settings, warm_start, Span(0, 1, limit, deadline))
        seconds, left = left - deadline.seconds_left(), deadline.seconds_left()
        num_steps += solution.num_steps
        if solution.status is not Status.STOPPED or left <= 0.0 or num_steps >= settings.max_num_steps:
            return solution._replace(num_steps=num_steps)
        step_seconds = max(seconds / solution.num_steps, 1e-9)
        round_seconds *= 2.0
        warm_start = solution


def guess_step_seconds(num_weights: int) -> float:
    """Returns what a step may take, before one was timed."""
    return STEP_SECONDS + STEP_SECONDS_PER_WEIGHT * num_weights


def solve_round(request: Request, settings: Settings, warm_start: Solution | None, span: Span) -> Solution:
    """Returns what the search reaches within its steps."""
    if warm_start is not None:
        request = request._replace(known_slates=warm_start.slates[None], known_dual=warm_start.dual[None])
    return only_solution(run(request, settings, span))
