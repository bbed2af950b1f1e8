"""Many problems in one compiled loop: no Python runs between two slates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.answer import write_answer
from ranker.solver.column_generation import FULL, advance, fill_column, start
from ranker.solver.kernel import entry, kernel
from ranker.solver.pricing import prepare_oracle
from ranker.solver.request import Request
from ranker.solver.scaling import read_dual, scale
from ranker.solver.workspace import Answers, Room, Workspace, carve, make_answers, make_room

if TYPE_CHECKING:
    from ranker.solver.settings import Settings

Rule = tuple[float, float, int]
"""Smoothing, gap tolerance and greatest number of steps."""


def run(batch: Request, settings: Settings) -> Answers:
    """Solves all problems of the batch on this thread, with more room wherever one needs it."""
    num_problems, num_limits = batch.limits.shape
    num_rows = num_limits + most_lower_rows(batch)
    k = batch.attention.shape[1]
    rule = (settings.smoothing, settings.gap_tolerance, settings.max_num_steps)
    answers = make_answers(num_problems, (1 + num_rows, num_limits, k))
    capacity = batch.known_slates.shape[1] + 64 + 16 * num_rows
    first = 0
    while first < num_problems:
        shape = (num_rows, batch.value.shape[1], k, batch.caps.shape[1], capacity)
        first = solve_range(batch, make_room(shape), rule, first, answers)
        capacity *= 4
    return answers


def most_lower_rows(batch: Request) -> int:
    """Returns the most limits, over the problems, that have a lower side besides the upper one."""
    if not batch.lower_limits.size:
        return 0
    sides = (batch.lower_limits > -np.inf) & (batch.lower_limits < batch.limits)
    return int(sides.sum(axis=1).max())


@entry
def solve_range(batch: Request, room: Room, rule: Rule, first: int, answers: Answers) -> int:
    """Solves the problems of the batch from `first` on; returns the first for which room was short, or B."""
    w = carve(room)
    for b in range(first, answers.objective.size):
        if not solve_one(request_at(batch, b), w, rule, answer_at(answers, b)):
            return b
    return answers.objective.size


@kernel
def solve_one(request: Request, w: Workspace, rule: Rule, answer: Answers) -> bool:
    """Solves one problem; says whether there was room."""
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
    advance(w, rule[0], rule[1], rule[2])
    if w.walk[0].status == FULL:
        return False
    write_answer(request, w, answer)
    return True


@kernel
def request_at(batch: Request, b: int) -> Request:
    """Returns problem b of the batch."""
    return Request(
        value=batch.value[b],
        weights=batch.weights[b],
        limits=batch.limits[b],
        attention=batch.attention[b],
        violation_price=batch.violation_price[b],
        lower_limits=batch.lower_limits[b],
        groups=batch.groups[b],
        caps=batch.caps[b],
        pinned=batch.pinned[b],
        known_slates=batch.known_slates[b],
        known_dual=batch.known_dual[b],
    )


@kernel
def answer_at(answers: Answers, b: int) -> Answers:
    """Returns the room for answer b, cleared."""
    answer = Answers(
        slates=answers.slates[b],
        probabilities=answers.probabilities[b],
        slate_value=answers.slate_value[b],
        slate_use=answers.slate_use[b],
        use=answers.use[b],
        slack=answers.slack[b],
        violation=answers.violation[b],
        dual=answers.dual[b],
        proof=answers.proof[b],
        objective=answers.objective[b : b + 1],
        upper_bound=answers.upper_bound[b : b + 1],
        status=answers.status[b : b + 1],
        num_slates=answers.num_slates[b : b + 1],
        num_steps=answers.num_steps[b : b + 1],
    )
    answer.probabilities[:] = 0.0
    answer.slate_value[:] = 0.0
    answer.slate_use[:] = 0.0
    answer.use[:] = 0.0
    return answer
