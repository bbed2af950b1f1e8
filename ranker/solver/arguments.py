"""What the front doors are given besides the problem, checked, and what of it cannot be seen beforehand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.arrays import floats, ints
from ranker.solver.request import FREE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ranker.solver.positioned import PositionedProblem
    from ranker.solver.problem import SlateProblem
    from ranker.solver.settings import Deadline
    from ranker.solver.solution import Solution


def check_deadline(deadline: Deadline | None) -> None:
    """Raises InvalidInputError for a deadline that is no time."""
    if deadline is not None and math.isnan(deadline.at):
        raise InvalidInputError("deadline", deadline.at, "must be a time")


def checked_start(start: Solution, problem: SlateProblem | PositionedProblem) -> Solution:
    """Returns the start with arrays as the kernels take them.

    Raises InvalidInputError unless it is a solution for so many candidates, limits and positions.
    """
    n, k = problem.num_candidates, problem.num_positions
    slates, dual = ints("warm_start", start.slates), floats("warm_start", start.dual)
    dimensions = (*slates.shape[1:], *dual.shape)
    if dimensions != (k, problem.num_constraints):
        raise InvalidInputError(
            "warm_start", dimensions, f"must be for {k} positions and {problem.num_constraints} limits"
        )
    for number in slates[(slates < 0) | (slates >= n)][:1].tolist():
        raise InvalidInputError("warm_start", number, f"must show candidates 0 … {n - 1}")
    in_order = np.sort(slates, axis=1)
    for slate in slates[(in_order[:, 1:] == in_order[:, :-1]).any(axis=1)][:1].tolist():
        raise InvalidInputError("warm_start", slate, "must not show a candidate twice")
    for price in dual[~np.isfinite(dual)][:1].tolist():
        raise InvalidInputError("warm_start", price, "must have a finite dual")
    return start._replace(slates=slates, dual=dual)


def start_within(start: Solution, problem: SlateProblem) -> Solution:
    """Returns the start less its slates that break a cap or a pin of the problem."""
    start = checked_start(start, problem)
    slates, fits = start.slates, np.ones(len(start.slates), np.bool_)
    if problem.pinned is not None:
        fits &= ((problem.pinned == FREE) | (slates == problem.pinned)).all(axis=1)
    if problem.groups is not None and problem.caps is not None:
        for group, cap in enumerate(problem.caps.tolist()):
            fits &= (problem.groups[slates] == group).sum(axis=1) <= cap
    return start._replace(slates=slates[fits])


def out_of_range(arrays: Mapping[str, Any]) -> InvalidInputError:
    """Returns the error that names, of a problem without a finite bound, the field farthest from 1."""
    worst = ("", 0.0, 0.0)
    for field in ("value", "weights", "limits", "attention"):
        sizes = np.abs(arrays.get(field, 1.0))
        largest = float(sizes[np.isfinite(sizes)].max(initial=0.0))
        distance = abs(math.log10(largest)) if largest > 0.0 else 0.0
        worst = max(worst, (field, largest, distance), key=lambda each: each[2])
    return InvalidInputError(worst[0], worst[1], "is too far from 1 for double precision: choose other units")
