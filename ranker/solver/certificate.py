"""A second opinion: everything a solution says, computed anew from the problem, without the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ranker.solver.request import FREE
from ranker.solver.solution import Status

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats
    from ranker.solver.problem import SlateProblem
    from ranker.solver.solution import Solution


class Certificate(NamedTuple):
    """Holds how far a solution is from what it claims; all 0 but for rounding where it is exact."""

    not_a_mixture: float
    """Largest of |Σp − 1|, −p, and 1 for a slate that repeats a candidate or breaks a cap or a pin."""

    violation: float
    """Largest violation of a hard limit, over max|M_q| Σa."""

    misreport: float
    """Largest error of objective and use, over max|c| Σa and max|M_q| Σa."""

    gap: float
    """(D(λ) − objective) / max(|objective|, 1e-3 max|c| Σa): at least the relative loss."""

    sensitivity: float
    """What a shift of every limit by 1e-9 max|M_q| Σa can do to the gap."""

    support: int
    """Slates less 1 + the number of constraints with a tight or broken limit: at most 0."""


def certify(problem: SlateProblem, solution: Solution) -> Certificate:
    """Returns the certificate of a solution."""
    sum_attention = problem.attention.sum()
    value_unit = unit(problem.value) * sum_attention
    units = np.array([unit(row) for row in problem.weights]) * sum_attention
    use = problem.weights[:, solution.slates] @ problem.attention @ solution.probabilities
    infinite = np.full(use.size, np.inf)
    lower = -infinite if problem.lower_limits is None else problem.lower_limits
    price = infinite if problem.violation_price is None else problem.violation_price
    violation = np.maximum(np.maximum(use - problem.limits, lower - use), 0.0)
    soft = np.isfinite(price)
    objective = float(problem.value[solution.slates] @ problem.attention @ solution.probabilities)
    objective -= float(price[soft] @ violation[soft])
    widened = violation * ~soft
    bound = dual_bound(problem, solution.dual, (lower - widened, problem.limits + widened))
    room = np.minimum(problem.limits - use, use - lower)
    misreport = np.abs(use - solution.use) / units
    size = max(abs(objective), 1e-3 * value_unit)
    return Certificate(
        not_a_mixture=disorder(problem, solution),
        violation=float((violation / units)[~soft].max(initial=0.0)),
        misreport=max(abs(objective - solution.objective) / value_unit, float(misreport.max(initial=0.0))),
        gap=(bound - objective) / size,
        sensitivity=1e-9 * float(np.abs(solution.dual) @ units) / size,
        support=solution.probabilities.size - 1 - int((room <= 1e-9 * units).sum()),
    )


def unit(array: Floats) -> float:
    """Returns max|array|, or 1 if that is 0."""
    return float(np.abs(array).max(initial=0.0)) or 1.0


def dual_bound(problem: SlateProblem, dual: Floats, limits: tuple[Floats, Floats]) -> float:
    """Returns λ₊ᵀb − λ₋ᵀl + max_r Σⱼ aⱼ (c − Mᵀλ)ᵣ₍ⱼ₎ for limits = (l, b); inf if λ is dearer than π."""
    lower, upper = limits
    price = problem.violation_price
    if price is not None and (np.abs(dual) > price * (1.0 + 1e-9)).any():
        return np.inf
    limit = np.where(dual > 0.0, upper, np.where(dual < 0.0, lower, 0.0))
    scores = problem.value - dual @ problem.weights
    return float(dual @ limit + scores[best_slate(problem, scores)] @ problem.attention)


def best_slate(problem: SlateProblem, scores: Floats) -> list[int]:
    """Returns the slate that maximises Σⱼ aⱼ sᵣ₍ⱼ₎ under caps and pins."""
    k = problem.num_positions
    slate = [FREE] * k if problem.pinned is None else problem.pinned.tolist()
    pinned = set(slate) - {FREE}
    room = None if problem.caps is None else problem.caps.copy()
    groups = problem.groups
    if room is not None and groups is not None:
        for i in pinned:
            room[groups[i]] -= 1
    chosen = []
    for i in np.argsort(-scores, kind="stable").tolist():
        if i not in pinned and (room is None or groups is None or room[groups[i]] > 0):
            chosen.append(i)
            if room is not None and groups is not None:
                room[groups[i]] -= 1
    order = iter(chosen)
    return [next(order) if i == FREE else i for i in slate]


def disorder(problem: SlateProblem, solution: Solution) -> float:
    """Returns how far the mixture is from a distribution over slates that obey caps and pins."""
    slates, p = solution.slates, solution.probabilities
    if any(np.unique(slate).size < slate.size for slate in slates):
        return 1.0
    if problem.pinned is not None and ((problem.pinned != FREE) & (slates != problem.pinned)).any():
        return 1.0
    if problem.caps is not None and problem.groups is not None:
        counts = [np.bincount(problem.groups[s], minlength=problem.caps.size) for s in slates]
        if (np.array(counts) > problem.caps).any():
            return 1.0
    return float(max(abs(p.sum() - 1.0), -p.min()))


def proves_infeasible(problem: SlateProblem, solution: Solution) -> bool:
    """Says whether d shows that no mixture fits: min_r dᵀuse(r) > d₊ᵀb − d₋ᵀl over the hard limits."""
    proof = solution.infeasibility_proof
    if solution.status is not Status.INFEASIBLE or proof is None:
        return False
    lower = np.full(proof.size, -np.inf) if problem.lower_limits is None else problem.lower_limits
    limit = np.where(proof > 0.0, problem.limits, np.where(proof < 0.0, lower, 0.0))
    scores = -(proof @ problem.weights)
    least = -scores[best_slate(problem, scores)] @ problem.attention
    return bool(least > proof @ limit)
