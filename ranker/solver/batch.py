"""Many problems in one compiled loop: no Python runs between two slates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ranker.solver.answer import STOPPED, UNSURE, is_sound, write_answer
from ranker.solver.careful import STEPS_OF_FLOATS, solve_carefully
from ranker.solver.column_generation import DONE, FULL, WALKING, advance, fill_column, start
from ranker.solver.kernel import entry
from ranker.solver.ledger import make_ledger
from ranker.solver.pricing import prepare_oracle
from ranker.solver.request import Request, request_at
from ranker.solver.scaling import read_dual, scale
from ranker.solver.workspace import Room, Rule, Sheet, answer_at, carve, lay_out, make_room, make_sheet

if TYPE_CHECKING:
    from ranker.solver.settings import Deadline, Settings


Arrays = tuple[Any, ...]
"""The fields of a request."""


class Span(NamedTuple):
    """Says which problems of a batch to solve, and when to stop."""

    first: int
    end: int

    num_steps: int
    """Most steps of the first pass for each."""

    deadline: Deadline | None = None
    """The second pass looks at it after every step; the first pass, which cannot, only has its steps."""


def run(batch: Request, settings: Settings, span: Span) -> Sheet:
    """Solves the problems of the batch on this thread."""
    sheet = sheet_for(batch)
    run_into(sheet, batch, settings, span)
    return sheet


def sheet_for(batch: Request) -> Sheet:
    """Returns room for the answers to a batch: a limit with two sides has two rows at most."""
    num_problems, num_limits = batch.limits.shape
    most_rows = num_limits * (2 if batch.lower_limits.size else 1)
    return make_sheet((num_problems, 1 + most_rows, num_limits, batch.attention.shape[1]))


def run_into(sheet: Sheet, batch: Request, settings: Settings, span: Span) -> None:
    """Writes the answers to the problems of the span, with more room to compute wherever one needs it."""
    num_limits, n = batch.weights.shape[1:]
    num_rows = num_limits + most_lower_rows(batch)
    capacity = batch.known_slates.shape[1] + 64 + 16 * num_rows
    given, rule = tuple(batch), rule_of(settings, span)
    first, status = span.first, sheet[2]
    while first < span.end:
        room = make_room((num_rows, n, batch.attention.shape[1], batch.caps.shape[1], capacity))
        first = solve_range(given, room, rule, (first, span.end), sheet)
        while first < span.end and status[first] == UNSURE:
            if not look_again(batch, room, settings, span._replace(first=first), sheet):
                break
            first = solve_range(given, room, rule, (first + 1, span.end), sheet)
        capacity *= 4


def rule_of(settings: Settings, span: Span) -> Rule:
    """Returns the rule of the walk."""
    smoothing, tolerance = float(settings.smoothing), float(settings.gap_tolerance)  # 0 may be an int
    return smoothing, tolerance, span.num_steps, settings.steps_until_ellipsoid


def look_again(batch: Request, room: Room, settings: Settings, span: Span, sheet: Sheet) -> bool:
    """Solves the first problem of the span in the second pass; says whether there was room for it.

    Once the deadline has passed, the best answer so far stands.
    """
    num_rows, n, _, _, capacity = room[0]
    ledger = make_ledger((num_rows, batch.limits.shape[1], n, capacity))
    rule = rule_of(settings, span)
    if span.deadline is None:
        return solve_carefully(batch, room, ledger, (span.first, True, rule), sheet) != FULL
    sheet[2][span.first] = STOPPED
    one_step, fresh = rule_of(settings, span._replace(num_steps=0)), True
    for _ in range(1 + settings.max_num_steps // STEPS_OF_FLOATS):
        if span.deadline.seconds_left() <= 0.0:
            break
        walk = solve_carefully(batch, room, ledger, (span.first, fresh, one_step), sheet)
        if walk != WALKING:
            return walk != FULL
        fresh = False
    return True


def most_lower_rows(batch: Request) -> int:
    """Returns the most limits, over the problems, that have a lower side besides the upper one."""
    if not batch.lower_limits.size:
        return 0
    sides = (batch.lower_limits > -np.inf) & (batch.lower_limits < batch.limits)
    return int(sides.sum(axis=1).max())


@entry
def solve_range(given: Arrays, room: Room, rule: Rule, span: tuple[int, int], sheet: Sheet) -> int:
    """Solves the problems first..end − 1 = span of a batch; returns the first that is not done, or end.

    That one has the status UNSURE where its answer failed the check, or room was short for it. The batch
    comes as a plain tuple, which takes half the time of a named one to hand over.
    """
    batch, w, answers = Request(*given), carve(room), lay_out(sheet)
    first, end = span
    for b in range(first, end):
        request, answer = request_at(batch, b), answer_at(answers, b)
        answer.status[0] = STOPPED
        scale(request, w)
        prepare_oracle(request, w)
        read_dual(request.known_dual, w)
        w.walk[0].num_known = 0
        w.walk[0].stage = 0
        for p in range(request.known_slates.shape[0]):
            for j in range(request.attention.size):
                w.slates[p, j] = request.known_slates[p, j]
            fill_column(w, p)
            w.walk[0].num_known += 1
        start(w)
        advance(w, rule)
        if w.walk[0].status == FULL:
            return b
        write_answer(request, w, answer)
        if w.walk[0].status == DONE and not is_sound(request, w, answer, rule[1]):
            answer.status[0] = UNSURE
            return b
    return end
