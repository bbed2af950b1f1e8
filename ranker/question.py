"""What the solver is asked: constraints as rows ≤ limits, tightened for the exploration share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.exploration import tightened_limits, uniform_use
from ranker.slate import Basis, Relation
from ranker.solver import PositionedProblem, SlateBatch, SlateProblem, solve, solve_positioned

if TYPE_CHECKING:
    from collections.abc import Sequence

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


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """The problems of B requests of one shape, without position weights and rules, as arrays."""

    limits: Floats  # (B, K)
    uniform_use: Floats  # (B, K)
    batch: SlateBatch


def question_of(request: RankRequest, value: Floats, attention: Floats, ratio: float) -> Question:
    """Asks for the mixture that is worth most where candidates are worth `value` `(n,)`."""
    constraints = request.constraints
    signs = signs_of(constraints)
    # Rows in one piece: a sum depends on how numbers lie.
    rows = np.ascontiguousarray(request.constraint_weights.reshape(len(signs), len(value)))
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
        "violation_price": np.array(_violation_prices(constraints), np.float64),
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


def questions_of(
    requests: Sequence[RankRequest], value: Floats, attention: Floats, ratios: Floats
) -> Questions:
    """Returns `question_of` of each request, to the last bit, where the shapes are alike.

    Candidates are worth `value` `(B, n)`, positions `attention` `(B, k)`; exploration shares are `(B,)`.
    Raises InvalidInputError where the solver refuses one of them.
    """
    bounds = _bounds([request.constraints for request in requests])
    signs = bounds[:, 0]
    shape = len(requests), signs.shape[1], value.shape[1]
    rows = np.stack([request.constraint_weights.reshape(shape[1:]) for request in requests])
    rows = np.ascontiguousarray(rows) * signs[:, :, None]
    totals = attention.sum(axis=1)[:, None]
    limits = signs * (bounds[:, 1] * np.where(bounds[:, 2] > 0, totals, 1.0))
    uniform = np.add.reduce(rows, axis=2) / shape[2] * totals
    tightened = tightened_limits(limits, uniform, ratios[:, None])
    batch = SlateBatch(value, rows, tightened, attention, np.ascontiguousarray(bounds[:, 3]))
    return Questions(limits, uniform, batch)


def _bounds(constraints: Sequence[tuple[Constraint, ...]]) -> Floats:
    """Returns signs, limits, whether these are shares of attention, and violation prices, `(B, 4, K)`."""
    found: dict[tuple[Constraint, ...], int] = {}
    places = [found.setdefault(each, len(found)) for each in constraints]
    table = [
        [
            signs_of(each),
            [c.limit for c in each],
            [float(_is_share(c)) for c in each],
            _violation_prices(each),
        ]
        for each in found
    ]
    bounds: Floats = np.array(table, np.float64)[places]
    return bounds


def signs_of(constraints: tuple[Constraint, ...]) -> list[float]:
    """Returns what turns each constraint into an upper limit, `(K,)`."""
    return [-1.0 if c.relation is Relation.AT_LEAST else 1.0 for c in constraints]


def _absolute_limit(constraint: Constraint, total: float) -> float:
    return constraint.limit * (total if _is_share(constraint) else 1.0)


def _is_share(constraint: Constraint) -> bool:
    return constraint.basis is Basis.SHARE_OF_ATTENTION


def _by_position(rows: Floats, constraints: tuple[Constraint, ...], attention: Floats) -> Floats:
    """Returns W `(K, n, k)` of rows `(K, n)`."""
    curves = np.array([c.position_weights or attention for c in constraints])
    weights: Floats = rows[:, :, None] * curves[:, None, :]
    return weights


def _structure(rules: SlateRules) -> dict[str, Any]:
    """Returns what SlateProblem is told of the rules."""
    given = {"groups": rules.groups, "caps": rules.caps, "pinned": rules.pinned}
    return {name: np.array(each, np.int64) for name, each in given.items() if each}


def _violation_prices(constraints: tuple[Constraint, ...]) -> list[float]:
    return [np.inf if c.violation_price is None else c.violation_price for c in constraints]
