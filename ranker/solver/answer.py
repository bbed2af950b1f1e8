"""From the end of a walk to the answer, in the units of the problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.column_generation import DONE, values_count
from ranker.solver.kernel import kernel
from ranker.solver.pricing import find_best, score
from ranker.solver.scaling import lower_limit, violation_price, write_dual, write_proof

if TYPE_CHECKING:
    from ranker.solver.request import Request
    from ranker.solver.workspace import Answers, Workspace

NEGLIGIBLE = 1e-12
TRUSTED_GAP = 1e-5
"""Where rounding has opened a wider gap than this, a finished walk is not called optimal."""

OPTIMAL, STOPPED, INFEASIBLE = 0, 1, 2
"""The values of `solution.Status`, which compiled code cannot read."""

UNSURE = 3
"""The status of an answer that fails `is_sound`, until the second pass replaces it."""

KEPT = 1e-11
TIGHT = 5e-10
CLOSE = 1e-9
CLOSE_WHERE_BROKEN = 1e-6
"""Where limits cannot hold, prices are so high that rounding alone moves the bound by more than CLOSE."""


@kernel
def write_answer(request: Request, w: Workspace, answer: Answers) -> None:
    """Writes mixture, use, bound and status of a finished walk."""
    walk = w.walk[0]
    write_mixture(request, w, answer)
    write_use(request, answer)
    write_dual(w.rows, walk.value_unit, not values_count(w), answer.dual)
    write_proof(w.rows, answer.proof)
    answer.upper_bound[0] = max(bound_at_dual(request, w, answer), answer.objective[0])
    answer.num_steps[0] = walk.num_steps
    answer.status[0] = STOPPED
    size = max(abs(answer.objective[0]), 1e-3 * walk.value_unit * walk.attention_unit)
    if walk.status == DONE and walk.infeasible:
        answer.status[0] = INFEASIBLE
    elif walk.status == DONE and answer.upper_bound[0] - answer.objective[0] <= TRUSTED_GAP * size:
        answer.status[0] = OPTIMAL


@kernel
def write_mixture(request: Request, w: Workspace, answer: Answers) -> None:
    """Writes the slates in the basis with their probabilities, value and use."""
    count = 0
    total = 0.0
    for row in range(w.basis.size):
        p, weight = w.basis[row], w.tableau[row, -1]
        if p >= 0 and weight > NEGLIGIBLE:
            for j in range(request.attention.size):
                answer.slates[count, j] = w.slates[p, j]
            answer.probabilities[count] = weight
            total += weight
            count += 1
    answer.num_slates[0] = count
    for s in range(count):
        answer.probabilities[s] /= total
        for j in range(request.attention.size):
            answer.slate_value[s] += request.attention[j] * request.value[answer.slates[s, j]]
        for q in range(request.limits.size):
            for j in range(request.attention.size):
                answer.slate_use[s, q] += request.attention[j] * request.weights[q, answer.slates[s, j]]


@kernel
def write_use(request: Request, answer: Answers) -> None:
    """Writes expected use, slack, violation and objective of the mixture."""
    value = 0.0
    for s in range(answer.num_slates[0]):
        value += answer.probabilities[s] * answer.slate_value[s]
        for q in range(request.limits.size):
            answer.use[q] += answer.probabilities[s] * answer.slate_use[s, q]
    for q in range(request.limits.size):
        room = min(request.limits[q] - answer.use[q], answer.use[q] - lower_limit(request, q))
        answer.slack[q] = max(room, 0.0)
        answer.violation[q] = max(0.0, -room)
        if violation_price(request, q) < np.inf:
            value -= violation_price(request, q) * answer.violation[q]
    answer.objective[0] = value


@kernel
def bound_at_dual(request: Request, w: Workspace, answer: Answers) -> float:
    """Returns D(λ) = λ₊ᵀb − λ₋ᵀl + max_r Σⱼ aⱼ (c − Mᵀλ)ᵣ₍ⱼ₎, plus |λ|ᵀviolation over hard limits.

    Nothing within the limits, the hard ones widened by the violation, is worth more: so it is rounded up.
    """
    dual = answer.dual
    score(request.value, request.weights, dual, w.scores)
    find_best(w)
    bound, size = 0.0, 0.0
    for j in range(w.slate.size):
        i = w.slate[j]
        bound += request.attention[j] * w.scores[i]
        magnitude = abs(request.value[i])
        for q in range(dual.size):
            magnitude += abs(dual[q] * request.weights[q, i])
        size += request.attention[j] * magnitude
    for q in range(dual.size):
        if dual[q] != 0.0:
            limit = request.limits[q] if dual[q] > 0.0 else lower_limit(request, q)
            if violation_price(request, q) == np.inf:
                limit += answer.violation[q] if dual[q] > 0.0 else -answer.violation[q]
            bound += dual[q] * limit
            size += abs(dual[q] * limit)
    return float(bound + 1e-16 * (dual.size + w.slate.size + 4) * size)


@kernel
def is_sound(request: Request, w: Workspace, answer: Answers, tolerance: float) -> bool:
    """Says whether a finished answer keeps its promises by a good margin.

    These are: a small gap, hard limits kept, so well that at their prices nothing was gained by what is
    missing, and no more slates than 1 + the number of tight limits.
    """
    walk = w.walk[0]
    size = max(abs(answer.objective[0]), 1e-3 * walk.value_unit * walk.attention_unit)
    slates, gained = answer.num_slates[0] - 1, 0.0
    for q in range(request.limits.size):
        unit = walk.attention_unit / w.rows[q].factor
        if answer.slack[q] <= TIGHT * unit:
            slates -= 1
        if violation_price(request, q) == np.inf and not walk.infeasible:
            gained += abs(answer.dual[q]) * answer.violation[q]
            if answer.violation[q] > KEPT * unit:
                return False
    gap = answer.upper_bound[0] - answer.objective[0]
    close = CLOSE_WHERE_BROKEN if walk.infeasible else CLOSE
    return bool(slates <= 0 and gained <= CLOSE * size and gap <= (2.0 * tolerance + close) * size)
