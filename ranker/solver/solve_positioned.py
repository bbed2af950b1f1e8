"""The front door for problems whose weights depend on the position."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.arguments import check_deadline, checked_start
from ranker.solver.assignment import Bound, Found, Goal, Walk, search
from ranker.solver.settings import Mode
from ranker.solver.solution import Solution, Status
from ranker.solver.solve import DEFAULTS

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats
    from ranker.solver.positioned import PositionedProblem
    from ranker.solver.settings import Deadline, Settings

FIRST_CAP = 16.0
CAP_GROWTH = 64.0
LAST_CAP = 1e6
"""What violation of a hard limit costs, in units of value over use: more while some is avoidable."""

VIOLATION_TOLERANCE = 5e-10
TRUSTED_GAP = 1e-5
"""Where rounding has opened a wider gap than this, a finished walk is not called optimal."""


class Sides(NamedTuple):
    """Holds the limits of a problem with nothing left out, each `(K,)`."""

    lower: Floats
    upper: Floats
    price: Floats


def solve_positioned(
    problem: PositionedProblem,
    settings: Settings = DEFAULTS,
    *,
    warm_start: Solution | None = None,
    deadline: Deadline | None = None,
) -> Solution:
    """Returns the best mixture of slates where weights depend on the position, with its certificate.

    A warm start is a solution for the same candidates and positions. The deadline is looked at after each
    step. Raises InvalidInputError for Mode.EVERY_SLATE, or a warm start of other dimensions.
    """
    check_deadline(deadline)
    if settings.mode is not Mode.IN_EXPECTATION:
        raise InvalidInputError("mode", settings.mode.value, "limits by position hold in expectation only")
    walk = Walk(problem, settings, deadline)
    start = np.zeros(problem.num_constraints)
    if warm_start is not None:
        warm_start = checked_start(warm_start, problem)
        start = warm_start.dual
        for slate in warm_start.slates:
            if problem.allowed is None or problem.allowed[slate, np.arange(slate.size)].all():
                walk.learn(slate)
    sides = sides_of(problem)
    found, proof = walk_in_stages(walk, sides, start)
    return solution_of(walk, sides, found, proof)


def sides_of(problem: PositionedProblem) -> Sides:
    """Returns limits and prices of the problem."""
    infinite = np.full(problem.num_constraints, np.inf)
    lower = -infinite if problem.lower_limits is None else problem.lower_limits
    price = infinite if problem.violation_price is None else problem.violation_price
    return Sides(lower, problem.limits, price)


def walk_in_stages(walk: Walk, sides: Sides, start: Floats) -> tuple[Found, Floats | None]:
    """Maximises worth, violation of hard limits costing a capped price; if some is left, finds the least.

    Then worth again, the cap raised until violation is the least. Returns the proof, too, if one is found
    that the hard limits cannot hold together.
    """
    hard = np.isinf(sides.price)

    def search_worth(cap: float, bound: Bound) -> Found:
        price = np.where(hard, cap * walk.value_unit / walk.units, sides.price)
        return search(walk, Goal(1.0, sides.lower, sides.upper, price), bound)

    found = search_worth(FIRST_CAP, Bound(np.inf, start))
    if hard_violation(walk, sides, found) <= VIOLATION_TOLERANCE:
        return found, None
    if walk.is_over():
        return found._replace(finished=False), None
    lower, upper = np.where(hard, sides.lower, -np.inf), np.where(hard, sides.upper, np.inf)
    goal = Goal(0.0, lower, upper, 1.0 / walk.units, good_enough=-VIOLATION_TOLERANCE / 2.0)
    least = search(walk, goal, Bound(np.inf, np.zeros(hard.size)))
    if not least.finished:
        return found._replace(mixture=least.mixture, finished=False), None
    allowed = hard_violation(walk, sides, least) + VIOLATION_TOLERANCE
    cap = FIRST_CAP
    while not walk.is_over() and cap < LAST_CAP and hard_violation(walk, sides, found) > allowed:
        cap *= CAP_GROWTH
        found = search_worth(cap, found.bound)
    infeasible = allowed > 2.0 * VIOLATION_TOLERANCE and least.bound.value < 0.0
    finished = found.finished and hard_violation(walk, sides, found) <= allowed
    return found._replace(finished=finished), least.bound.dual if infeasible else None


def uses_of(walk: Walk, mixture: Solution) -> Floats:
    """Returns the use `(m, K)` of each slate in the mixture."""
    return np.array([walk.uses[p] for p in mixture.slates[:, 0]])


def violation_of(sides: Sides, use: Floats) -> Floats:
    """Returns (use − b)₊ + (l − use)₊, `(K,)`."""
    return np.maximum(np.maximum(use - sides.upper, sides.lower - use), 0.0)


def hard_violation(walk: Walk, sides: Sides, found: Found) -> float:
    """Returns Σ violation_q / unit_q of the mixture over the hard limits."""
    use = found.mixture.probabilities @ uses_of(walk, found.mixture)
    return float((violation_of(sides, use) / walk.units)[np.isinf(sides.price)].sum())


def solution_of(walk: Walk, sides: Sides, found: Found, proof: Floats | None) -> Solution:
    """Returns mixture and certificate; the bound is for hard limits widened by their violation."""
    (bound_value, dual), mixture = found.bound, found.mixture
    probabilities, slate_use = mixture.probabilities, uses_of(walk, mixture)
    slate_value = np.array([walk.values[p] for p in mixture.slates[:, 0]])
    use = probabilities @ slate_use
    violation, soft = violation_of(sides, use), np.isfinite(sides.price)
    objective = float(probabilities @ slate_value - sides.price[soft] @ violation[soft])
    bound = bound_value + float(np.abs(dual[~soft]) @ violation[~soft])
    status = Status.OPTIMAL if proof is None else Status.INFEASIBLE
    trusted = bound - objective <= TRUSTED_GAP * max(abs(objective), 1e-3 * walk.value_unit)
    return Solution(
        status=status if found.finished and trusted else Status.STOPPED,
        objective=objective,
        upper_bound=max(bound, objective),
        dual=dual,
        slates=np.array([walk.slates[p] for p in mixture.slates[:, 0]]),
        probabilities=probabilities,
        slate_value=slate_value,
        slate_use=slate_use,
        use=use,
        slack=np.maximum(np.minimum(sides.upper - use, use - sides.lower), 0.0),
        violation=violation,
        infeasibility_proof=proof if found.finished else None,
        num_steps=walk.num_steps,
    )
