"""The solver's front door for one problem."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.arguments import check_deadline, out_of_range, start_within
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
    dual are tried first; not in EVERY_SLATE. With a deadline the best found by then is returned.
    Raises InvalidInputError for arguments that make no sense, or numbers beyond double precision.
    """
    check_deadline(deadline)
    if warm_start is not None:
        if settings.mode is Mode.EVERY_SLATE:
            raise InvalidInputError("warm_start", settings.mode.value, "the search for one slate takes none")
        warm_start = start_within(warm_start, problem)
    if settings.mode is Mode.EVERY_SLATE:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
            solution = solve_every_slate(problem.request, settings, deadline)
    else:
        solution = solve_in_rounds(problem.request, settings, warm_start, deadline)
    if not math.isfinite(solution.gap):
        raise out_of_range(problem.request._asdict())
    return solution
