"""What an answer gives up to be in time, and how: the rungs below the full answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from ranker.question import solved
from ranker.solver import Solution, Status
from ranker.solver.rounds import guess_step_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.question import Question
    from ranker.slate import Floats
    from ranker.solver import Settings


class Step(StrEnum):
    """What was given up, least first."""

    NOTHING = ""
    SMALLER_MODEL = "smaller_model"
    LAST_SCORES = "last_scores"  # no model: each candidate's last known ctr, or the mean of all
    UNCONSTRAINED = "unconstrained"  # nor a solver: sorted by value of those scores, whatever the limits say


@dataclass(frozen=True, slots=True)
class Plan:
    """How one request is answered."""

    step: Step = Step.NOTHING
    # (n,), in place of the model's; None: the model is asked.
    ctr: Floats | None = None
    # Until the solver must be done; None: it takes what it takes.
    seconds_left: Callable[[], float] | None = None
    # Of a search that was cut short, the step limit of each round: searches in the same way, without a clock.
    solver_rounds: tuple[int, ...] = ()


FULL = Plan()
# Of the time left, what a round may take if steps take as long as thought.
ROUND_SHARE = 0.5
# A search has that long even where no time is left: less would save nothing beside the rest of the answer.
MIN_SECONDS = 5e-4


def solved_by_plan(question: Question, settings: Settings, plan: Plan) -> tuple[Solution, tuple[int, ...]]:
    """Returns the answer, and the rounds of a search that was cut short, by which it can be repeated."""
    if plan.step is Step.UNCONSTRAINED:
        return sorted_by_value(question, settings), ()
    if plan.solver_rounds:
        return _solved_in_rounds(question, settings, plan.solver_rounds), plan.solver_rounds
    if plan.seconds_left is None:
        return solved(question, settings), ()
    return _solved_in_time(question, settings, plan.seconds_left)


def sorted_by_value(question: Question, settings: Settings) -> Solution:
    """Returns the slate that is worth most if there were no limits, first come first where equal.

    Its value is a true bound: limits only take from it. What it breaks is in `violation`. Rules of every
    slate hold: they take the solver, but it prices a single slate.
    """
    problem, slots = question.problem, np.arange(question.num_positions)
    value, weights, limits = problem["value"], problem["weights"], problem["limits"]
    if problem.keys() & {"groups", "pinned"}:
        no_limits = {name: problem[name][:0] for name in ("weights", "limits", "violation_price")}
        slate = solved(replace(question, problem=problem | no_limits), settings).slates[0]
    else:
        slate = np.argsort(-(value[:, 0] if question.positioned else value), kind="stable")[: len(slots)]
    if question.positioned:
        worth, use = float(value[slate, slots].sum()), weights[:, slate, slots].sum(axis=1)
    else:
        attention = problem["attention"]
        worth, use = float(value[slate] @ attention), weights[:, slate] @ attention
    violation = np.maximum(use - limits, 0.0)
    priced = np.isfinite(problem["violation_price"])
    return Solution(
        status=Status.STOPPED,
        objective=worth - float(violation[priced] @ problem["violation_price"][priced]),
        upper_bound=worth,
        dual=np.zeros(len(limits)),
        slates=slate[None],
        probabilities=np.ones(1),
        slate_value=np.array([worth]),
        slate_use=use[None],
        use=use,
        slack=np.maximum(limits - use, 0.0),
        violation=violation,
        infeasibility_proof=None,
        num_steps=0,
    )


def _solved_in_time(
    question: Question, settings: Settings, seconds_left: Callable[[], float]
) -> tuple[Solution, tuple[int, ...]]:
    """Searches in rounds, each from the end of the last and within a share of the time that is then left."""
    step_seconds = guess_step_seconds(question.problem["weights"].size)
    limits: list[int] = []
    solution, num_steps = None, 0
    while True:
        left = seconds_left()
        share = max(ROUND_SHARE * left, 0.0 if limits else MIN_SECONDS)
        affordable = max(int(share / step_seconds), 1)
        limits.append(min(affordable, settings.max_num_steps - num_steps))
        solution = solved(question, replace(settings, max_num_steps=limits[-1]), solution)
        num_steps += solution.num_steps
        step_seconds = max(left - seconds_left(), 1e-9) / max(solution.num_steps, 1)
        cut = solution.status is Status.STOPPED and solution.num_steps >= limits[-1]
        if not cut or seconds_left() < step_seconds or num_steps >= settings.max_num_steps:
            # One round that was not cut short is the search without a deadline.
            rounds = tuple(limits) if cut or len(limits) > 1 else ()
            return solution._replace(num_steps=num_steps), rounds


def _solved_in_rounds(question: Question, settings: Settings, limits: tuple[int, ...]) -> Solution:
    solution = solved(question, replace(settings, max_num_steps=limits[0]))
    num_steps = solution.num_steps
    for limit in limits[1:]:
        solution = solved(question, replace(settings, max_num_steps=limit), solution)
        num_steps += solution.num_steps
    return solution._replace(num_steps=num_steps)
