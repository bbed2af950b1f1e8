"""The walk where weights depend on the position: the best slate at given prices is an assignment.

Column generation (Dantzig and Wolfe 1960) in Python. scipy's assignment solver (Crouse 2016) prices a slate.
The master, the best mixture of the slates known so far, is itself a SlateProblem: its candidates are those
slates, and it has one position.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from ranker.solver.problem import SlateProblem
from ranker.solver.solve import solve

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.positioned import PositionedProblem
    from ranker.solver.settings import Deadline, Settings
    from ranker.solver.solution import Solution

IMPROVEMENT_TOLERANCE = 2e-12


class Goal(NamedTuple):
    """Says what to maximise: worth × value − priceᵀviolation."""

    worth: float
    """1, or 0 where violation alone counts."""

    lower: Floats
    """`(K,)`, -inf for none."""

    upper: Floats
    """`(K,)`, inf for none."""

    price: Floats
    """`(K,)`, finite."""

    good_enough: float = np.inf
    """An objective at which to stop, however far the bound is."""


class Bound(NamedTuple):
    """Holds the lowest dual bound D(λ) of a goal, and its λ `(K,)`."""

    value: float
    dual: Floats


class Found(NamedTuple):
    """Holds where a search ended."""

    bound: Bound

    mixture: Solution
    """Of the known slates: its candidates are their places."""

    finished: bool
    """Whether bound and mixture met before steps or time ran out."""


@dataclass(slots=True)
class Walk:
    """Holds what is known of one problem while it is solved."""

    problem: PositionedProblem
    settings: Settings
    deadline: Deadline | None
    slates: list[Ints] = field(default_factory=list)
    """Each `(k,)`, no two the same."""

    values: list[float] = field(default_factory=list)
    """Σⱼ Vᵣ₍ⱼ₎ⱼ of each slate."""

    uses: list[Floats] = field(default_factory=list)
    """`(K,)` of each slate."""

    numbers: dict[bytes, int] = field(default_factory=dict)
    """The place of each slate, by its bytes."""

    num_steps: int = 0
    """Slates that were priced."""

    value_unit: float = field(init=False)
    """Σⱼ maxᵢ |V_ij|: no slate is worth more; or 1 if that is 0."""

    units: Floats = field(init=False)
    """Σⱼ maxᵢ |W_qij| `(K,)`: no slate uses more; or 1 where that is 0."""

    def __post_init__(self) -> None:
        self.value_unit = float(np.abs(self.problem.value).max(axis=0).sum()) or 1.0
        units = np.abs(self.problem.weights).max(axis=1).sum(axis=1)
        self.units = np.where(units > 0.0, units, 1.0)

    def is_over(self) -> bool:
        """Says whether steps or time have run out."""
        late = self.deadline is not None and self.deadline.seconds_left() <= 0.0
        return late or self.num_steps >= self.settings.max_num_steps

    def learn(self, slate: Ints) -> int:
        """Returns the place of the slate among the known ones, where it is added if it is new."""
        number = self.numbers.setdefault(slate.tobytes(), len(self.slates))
        if number == len(self.slates):
            positions = np.arange(slate.size)
            self.slates.append(slate)
            self.values.append(float(self.problem.value[slate, positions].sum()))
            self.uses.append(self.problem.weights[:, slate, positions].sum(axis=1))
        return number


def search(walk: Walk, goal: Goal, bound: Bound) -> Found:
    """Walks until bound and mixture meet, or the walk is over, but for at least one step.

    Queries at α bound.dual + (1 − α) master dual (Wentges 1997): where the slate found there does not
    improve the master, the gap has shrunk by α (Pessoa et al. 2013, mis-price lemma) and α halves.
    """
    rounding = 1e-14 * goal.worth * walk.value_unit
    alpha, point, master = walk.settings.smoothing, bound.dual, None
    while True:
        point = clip(goal, point)
        num_known = len(walk.slates)
        number = walk.learn(best_assignment(walk.problem, goal.worth, point))
        walk.num_steps += 1
        here = dual_bound(walk, goal, point, number)
        bound = Bound(here, point) if here < bound.value else bound
        if master is None or (number == num_known and last_improves(walk, goal, master.dual)):
            master = mix(walk, goal)
            alpha = walk.settings.smoothing
        elif alpha == 0.0:
            return Found(bound, master, finished=True)
        else:
            alpha = alpha / 2.0 if alpha > 0.3 else 0.0
        tolerance = max(walk.settings.gap_tolerance * abs(master.objective), rounding)
        if bound.value - master.objective <= tolerance or master.objective >= goal.good_enough:
            return Found(bound, master, finished=True)
        if walk.is_over():
            return Found(bound, master, finished=False)
        point = alpha * bound.dual + (1.0 - alpha) * master.dual


def best_assignment(problem: PositionedProblem, worth: float, dual: Floats) -> Ints:
    """Returns the allowed slate `(k,)` that maximises Σⱼ (worth × V − Σ_q λ_q W_q)ᵣ₍ⱼ₎ⱼ."""
    prices = dual @ problem.weights.reshape(dual.size, problem.value.size)
    scores = worth * problem.value - prices.reshape(problem.value.shape)
    if problem.allowed is not None:
        scores[~problem.allowed] = -np.inf
    _, slate = linear_sum_assignment(scores.T, maximize=True)
    return slate.astype(np.int64)


def clip(goal: Goal, dual: Floats) -> Floats:
    """Returns the multipliers within what violation costs, and 0 on the side where there is no limit."""
    least = np.where(goal.lower > -np.inf, -goal.price, 0.0)
    greatest = np.where(goal.upper < np.inf, goal.price, 0.0)
    return np.minimum(np.maximum(dual, least), greatest)


def dual_bound(walk: Walk, goal: Goal, dual: Floats, number: int) -> float:
    """Returns D(λ) = λ₊ᵀb − λ₋ᵀl + (worth × value − λᵀuse) of the slate that is best at λ, rounded up."""
    limit = np.where(dual > 0.0, goal.upper, np.where(dual < 0.0, goal.lower, 0.0))
    value, use = goal.worth * walk.values[number], walk.uses[number]
    size = goal.worth * walk.value_unit + np.abs(dual) @ (np.abs(limit) + walk.units)
    rounding = 1e-16 * (dual.size + walk.slates[number].size + 4) * size
    return float(value + dual @ (limit - use) + rounding)


def last_improves(walk: Walk, goal: Goal, dual: Floats) -> bool:
    """Says whether, at the dual of the master, the last slate beats all others by more than rounding."""
    reduced = goal.worth * np.array(walk.values) - np.array(walk.uses) @ dual
    size = goal.worth * walk.value_unit + np.abs(dual) @ walk.units
    return bool(reduced[-1] > reduced[:-1].max() + IMPROVEMENT_TOLERANCE * size)


def mix(walk: Walk, goal: Goal) -> Solution:
    """Returns the best mixture of the known slates."""
    values, uses = goal.worth * np.array(walk.values), np.array(walk.uses)
    return solve(SlateProblem(values, uses.T, goal.upper, np.ones(1), goal.price, goal.lower))
