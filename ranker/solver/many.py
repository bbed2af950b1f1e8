"""The solver's front door for many problems of one shape."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numba
import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.arguments import check_deadline, out_of_range
from ranker.solver.batch import Span, run_into, sheet_for
from ranker.solver.every_slate import solve_every_slate
from ranker.solver.problem import given_fields
from ranker.solver.request import Request, make_request
from ranker.solver.rounds import guess_step_seconds
from ranker.solver.settings import Deadline, Mode
from ranker.solver.solution import Solution, solution_at
from ranker.solver.solve import DEFAULTS
from ranker.solver.workspace import Answers, answers_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.problem import SlateProblem
    from ranker.solver.settings import Settings

PROBLEMS_PER_TASK = 256
PROBLEMS_PER_TASK_BY_DEADLINE = 32


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
        object.__setattr__(self, "request", make_request(given_fields(self), num_axes=1))

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
    batch: SlateBatch,
    settings: Settings = DEFAULTS,
    *,
    num_threads: int | None = None,
    deadline: Deadline | None = None,
) -> Solutions:
    """Solves every problem of the batch, on all cores unless told on how many threads.

    Without a deadline the result is the same, to the last bit, as that of `solve` on each problem. With
    one, each problem may take its share of the time that is left; it takes one step in any case.
    Raises InvalidInputError for arguments that make no sense, or numbers beyond double precision.
    """
    check_deadline(deadline)
    threads = numba.get_num_threads() if num_threads is None else num_threads
    if threads < 1:
        raise InvalidInputError("num_threads", threads, "must be at least 1")
    num_problems = batch.request.limits.shape[0]
    sheet = sheet_for(batch.request)
    answers = answers_in(sheet)
    if num_problems == 0:
        return Solutions(answers)
    size = PROBLEMS_PER_TASK if deadline is None else PROBLEMS_PER_TASK_BY_DEADLINE
    step_seconds = [guess_step_seconds(batch.request.weights[0].size)]

    def work(first: int) -> None:
        end = min(first + size, num_problems)
        begun, share = 0.0, np.inf
        if deadline is not None:
            begun = deadline.clock()
            share = max(deadline.at - begun, 0.0) * threads / (num_problems - first)
        if settings.mode is Mode.EVERY_SLATE:
            task, room = part(batch.request, first, end), part(answers, first, end)
            search_all(task, settings, deadline and Deadline(deadline.clock, share), room)
            return
        limit = settings.max_num_steps
        if deadline is not None:
            limit = max(1, int(min(share / step_seconds[0], limit)))
        until = deadline and Deadline(deadline.clock, begun + share * (end - first))
        run_into(sheet, batch.request, settings, Span(first, end, limit, until))
        if deadline is not None:
            step_seconds[0] = max((deadline.clock() - begun) / answers.num_steps[first:end].sum(), 1e-9)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, num_problems, size)))
    bounded = np.isfinite(answers.upper_bound) & np.isfinite(answers.objective)
    if not bounded.all():
        raise out_of_range(part(batch.request, b := int(bounded.argmin()), b + 1)._asdict())
    return Solutions(answers)


def search_all(task: Request, settings: Settings, share: Deadline | None, answers: Answers) -> None:
    """Writes the best slate for each problem; a share is a clock and the seconds that each may take."""
    for b in range(task.limits.shape[0]):
        at = share and Deadline(share.clock, share.clock() + share.at)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused in the end
            write_solution(answers, b, solve_every_slate(part(task, b, b + 1), settings, at))


def write_solution(answers: Answers, b: int, solution: Solution) -> None:
    """Writes a solution into its place among the answers."""
    m = solution.probabilities.size
    answers.num_slates[b] = m
    for name in ("slates", "probabilities", "slate_value", "slate_use"):
        getattr(answers, name)[b, :m] = getattr(solution, name)
    for name in ("use", "slack", "violation", "dual", "objective", "upper_bound", "status", "num_steps"):
        getattr(answers, name)[b] = getattr(solution, name)
    if solution.infeasibility_proof is not None:
        answers.proof[b] = solution.infeasibility_proof


Rows = TypeVar("Rows", Request, Answers)


def part(rows: Rows, first: int, end: int) -> Rows:
    """Returns problems, or answers, first..end − 1."""
    arrays: Any = [array[first:end] for array in rows]
    return type(rows)(*arrays)
