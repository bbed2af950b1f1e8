"""The solver's front door for one problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranker.solver.every_slate import solve_every_slate
from ranker.solver.rounds import solve_in_rounds
from ranker.solver.settings import Mode, Settings

if TYPE_CHECKING:
    from ranker.solver.problem import SlateProblem
    from ranker.solver.settings import Deadline
    from ranker.solver.solution import Solution

DEFAULTS = Settings()


def solve(
    problem: SlateProblem,
    settings: Settings = DEFAULTS,
    *,
    warm_start: Solution | None = None,
    deadline: Deadline | None = None,
) -> Solution:
    """Returns the best mixture of slates for the problem, or the best slate, with its certificate.

    A warm start is a solution for the same candidates and positions: its slates, priced anew, and its
    dual are tried first. With a deadline the best found by then is returned.
    """
    if settings.mode is Mode.EVERY_SLATE:
        return solve_every_slate(problem.request, settings, deadline)
    return solve_in_rounds(problem.request, settings, warm_start, deadline)
