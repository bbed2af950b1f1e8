"""Many problems in one compiled loop: no Python runs between two slates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.answer import STOPPED, UNSURE, is_sound, write_answer
from ranker.solver.careful import solve_carefully
from ranker.solver.column_generation import DONE, FULL, advance, fill_column, start
from ranker.solver.kernel import entry
from ranker.solver.ledger import make_ledger
from ranker.solver.pricing import prepare_oracle
from ranker.solver.request import Request, request_at
from ranker.solver.scaling import read_dual, scale
from ranker.solver.workspace import Answers, Room, Rule, answer_at, carve, make_answers, make_room

if TYPE_CHECKING:
    from ranker.solver.settings import Settings


def run(batch: Request, settings: Settings) -> Answers:
    """Solves all problems of the batch on this thread."""
    answers = answers_for(batch)
    run_into(answers, batch, settings)
    return answers


def answers_for(batch: Request) -> Answers:
    """Returns room for the answers to a batch: a limit with two sides has two rows at most."""
    num_problems, num_limits = batch.limits.shape
    most_rows = num_limits * (2 if batch.lower_limits.size else 1)
    return make_answers(num_problems, (1 + most_rows, num_limits, batch.attention.shape[1]))


def run_into(answers: Answers, batch: Request, settings: Settings) -> None:
    """Writes the answers to all problems of the batch, with more room to compute wherever one needs it."""
    num_problems, num_limits = batch.limits.shape
    num_rows = num_limits + most_lower_rows(batch)
    k = batch.attention.shape[1]
    rule = (
        settings.smoothing,
        settings.gap_tolerance,
        settings.max_num_steps,
        settings.steps_until_ellipsoid,
    )
    capacity = batch.known_slates.shape[1] + 64 + 16 * num_rows
    n, first = batch.value.shape[1], 0
    while first < num_problems:
        room = make_room((num_rows, n, k, batch.caps.shape[1], capacity))
        first = solve_range(batch, room, rule, first, answers)
        while first < num_problems and answers.status[first] == UNSURE:
            ledger = make_ledger((num_rows, num_limits, n, capacity))
            if not solve_carefully(batch, room, ledger, (first, rule), answers):
                break
            first = solve_range(batch, room, rule, first + 1, answers)
        capacity *= 4


def most_lower_rows(batch: Request) -> int:
    """Returns the most limits, over the problems, that have a lower side besides the upper one."""
    if not batch.lower_limits.size:
        return 0
    sides = (batch.lower_limits > -np.inf) & (batch.lower_limits < batch.limits)
    return int(sides.sum(axis=1).max())


@entry
def solve_range(batch: Request, room: Room, rule: Rule, first: int, answers: Answers) -> int:
    """Solves the problems of the batch from `first` on; returns the first that is not done, or B.

    That one has the status UNSURE where its answer failed the check, or room was short for it.
    """
    w = carve(room)
    for b in range(first, answers.objective.size):
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
    return answers.objective.size
