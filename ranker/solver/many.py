"""The solver's front door for many problems of one shape."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.batch import run
from ranker.solver.request import Request, make_request
from ranker.solver.solution import Solution, solution_at
from ranker.solver.solve import DEFAULTS
from ranker.solver.workspace import Answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.problem import SlateProblem
    from ranker.solver.settings import Settings

PROBLEMS_PER_TASK = 256


@dataclass(frozen=True, eq=False)
class SlateBatch:
    """Holds B problems of the same n, K and k: each field is that of SlateProblem with an axis before it.

    Raises InvalidInputError, naming the field and its value, when a problem makes no sense.
    """

    value: Floats
    """`(B, n)`."""

    weights: Floats
    """`(B, K, n)`."""

    limits: Floats
    """`(B, K)`."""

    attention: Floats
    """`(B, k)`."""

    violation_price: Floats | None = None
    """`(B, K)`."""

    lower_limits: Floats | None = None
    """`(B, K)`."""

    groups: Ints | None = None
    """`(B, n)`."""

    caps: Ints | None = None
    """`(B, num_groups)`."""

    pinned: Ints | None = None
    """`(B, k)`."""

    request: Request = field(init=False, repr=False)
    """The problems as the kernels read them."""

    def __post_init__(self) -> None:
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        object.__setattr__(self, "request", make_request(given, num_axes=1))

    @staticmethod
    def of(problems: Sequence[SlateProblem]) -> SlateBatch:
        """Returns the batch of some problems, which must have the same shape and the same fields."""
        names = [each.name for each in fields(SlateBatch) if each.init]
        stacked: dict[str, Any] = {}
        for name in names:
            arrays = [getattr(problem, name) for problem in problems]
            shapes = {None if array is None else array.shape for array in arrays}
            if len(shapes) != 1:
                raise InvalidInputError(name, sorted(map(str, shapes)), "must have one shape in a batch")
            stacked[name] = None if None in shapes else np.stack(arrays)
        return SlateBatch(**stacked)


@dataclass(frozen=True, eq=False)
class Solutions:
    """Holds the solutions of a batch as arrays; `solutions[b]` is that of problem b."""

    answers: Answers
    """The arrays, in the order of the batch; probabilities beyond `num_slates` are 0."""

    def __len__(self) -> int:
        return self.answers.objective.size

    def __getitem__(self, b: int) -> Solution:
        return solution_at(self.answers, b)


def solve_many(
    batch: SlateBatch, settings: Settings = DEFAULTS, *, num_threads: int | None = None
) -> Solutions:
    """Solves every problem of the batch, on all cores unless told on how many threads.

    The result is the same, to the last bit, as that of `solve` on each problem.
    """
    num_problems = batch.request.limits.shape[0]
    starts = range(0, num_problems, PROBLEMS_PER_TASK)
    tasks = [part(batch.request, b, b + PROBLEMS_PER_TASK) for b in starts]
    with ThreadPoolExecutor(num_threads or numba.get_num_threads()) as pool:
        parts = list(pool.map(lambda task: run(task, settings), tasks))
    joined: Any = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    return Solutions(Answers(*joined))


def part(request: Request, first: int, end: int) -> Request:
    """Returns the problems first..end − 1."""
    arrays: Any = [array[first:end] for array in request]
    return Request(*arrays)
