"""What the solver is asked: a request's constraints as rows ≤ limits, tightened for the exploration share."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.errors import InvalidInputError
from ranker.exploration import tightened_limits, uniform_use
from ranker.slate import Basis, Relation
from ranker.solver import PositionedProblem, SlateBatch, SlateProblem, solve, solve_many, solve_positioned

if TYPE_CHECKING:
    from ranker.slate import Constraint, Floats, RankRequest
    from ranker.slate_rules import SlateRules
    from ranker.solver import Settings, Solution


@dataclass(frozen=True, slots=True)
class Question:
    """One slate's problem for the solver, and what it takes to report on its answer."""

    limits: Floats  # (K,), as they hold for the explored policy
    uniform_use: Floats  # (K,)
    problem: dict[str, Any]  # the fields of SlateProblem, or of PositionedProblem
    positioned: bool  # whether a constraint weighs positions in another way than by attention
    exploration_ratio: float

    @property
    def num_candidates(self) -> int:
        """Returns n."""
        return int(self.problem["value"].shape[0])

    @property
    def num_positions(self) -> int:
        """Returns k."""
        return int(self.problem["value"].shape[1] if self.positioned else self.problem["attention"].size)


def question_of(request: RankRequest, value: Floats, attention: Floats, ratio: float) -> Question:
    """Asks for the mixture that is worth most where candidates are worth `value` `(n,)`."""
    constraints = request.constraints
    signs = signs_of(constraints)
    rows = request.constraint_weights.reshape(len(signs), len(value))
    if -1.0 in signs:
        rows = rows * np.array(signs)[:, None]
    total = float(attention.sum())
    totals = [sum(c.position_weights) if c.position_weights else total for c in constraints]
    asked = zip(signs, constraints, totals, strict=True)
    limits = np.array([sign * _absolute_limit(c, each) for sign, c, each in asked])
    uniform = uniform_use(rows, np.array(totals))
    positioned = any(c.position_weights for c in constraints)
    problem = {
        "value": np.outer(value, attention) if positioned else value,
        "weights": _by_position(rows, constraints, attention) if positioned else rows,
        "limits": tightened_limits(limits, uniform, ratio),
        "violation_price": _violation_prices(constraints),
    }
    if not positioned:
        problem["attention"] = attention
    if request.rules is not None:
        problem |= _structure(request.rules)
    return Question(limits, uniform, problem, positioned, ratio)


def solved(question: Question, settings: Settings, warm_start: Solution | None = None) -> Solution:
    """Returns the solver's answer to one question."""
    if question.positioned:
        return solve_positioned(PositionedProblem(**question.problem), settings, warm_start=warm_start)
    return solve(SlateProblem(**question.problem), settings, warm_start=warm_start)


def solved_together(
    questions: dict[int, Question], settings: Settings, num_threads: int | None
) -> dict[int, Solution | InvalidInputError]:
    """Returns `solved` of each, or its error; those of one shape in one batch, but for positioned ones."""
    answers: dict[int, Solution | InvalidInputError] = {}
    for i, each in questions.items():
        if each.positioned:
            try:
                answers[i] = solved(each, settings)
            except InvalidInputError as error:
                answers[i] = error
    groups: dict[tuple[tuple[Any, ...], ...], list[int]] = defaultdict(list)
    for i in questions.keys() - answers.keys():
        groups[tuple((name, *array.shape) for name, array in questions[i].problem.items())].append(i)
    for members in groups.values():
        problems = [questions[i].problem for i in members]
        batch = SlateBatch(**{name: np.stack([each[name] for each in problems]) for name in problems[0]})
        solutions = solve_many(batch, settings, num_threads=num_threads)
        answers.update({i: solutions[place] for place, i in enumerate(members)})
    return answers


def signs_of(constraints: tuple[Constraint, ...]) -> list[float]:
    """Returns what turns each constraint into an upper limit, `(K,)`."""
    return [-1.0 if c.relation is Relation.AT_LEAST else 1.0 for c in constraints]


def _absolute_limit(constraint: Constraint, total: float) -> float:
    return constraint.limit * (total if constraint.basis is Basis.SHARE_OF_ATTENTION else 1.0)


def _by_position(rows: Floats, constraints: tuple[Constraint, ...], attention: Floats) -> Floats:
    """Returns W `(K, n, k)` of rows `(K, n)`."""
    curves = np.array([c.position_weights or attention for c in constraints])
    weights: Floats = rows[:, :, None] * curves[:, None, :]
    return weights


def _structure(rules: SlateRules) -> dict[str, Any]:
    """Returns what SlateProblem is told of the rules."""
    given = {"groups": rules.groups, "caps": rules.caps, "pinned": rules.pinned}
    return {name: np.array(each, np.int64) for name, each in given.items() if each}


def _violation_prices(constraints: tuple[Constraint, ...]) -> Floats:
    prices = [np.inf if c.violation_price is None else c.violation_price for c in constraints]
    return np.array(prices, dtype=np.float64)
