"""The second pass: the same walk in double-double arithmetic, where the first fails its own check.

Rows that agree to twelve digits make bases with a condition number of 10¹² and more. Floats, with sixteen
digits, leave four of them right there; double-double numbers, with 32, leave twenty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.answer import INFEASIBLE, OPTIMAL, STOPPED, write_answer
from ranker.solver.column_generation import (
    DONE,
    FULL,
    HARD_PRICE,
    REPAIR,
    VIOLATION_TOLERANCE,
    WALKING,
    values_count,
)
from ranker.solver.double_double import exceeds, minus, over, plus, times, two_product
from ranker.solver.kernel import strict_entry, strict_kernel
from ranker.solver.ledger import ZERO, balance, enter_slate, improvement, open_with, pair, put
from ranker.solver.request import request_at
from ranker.solver.scaling import lower_limit, violation_price
from ranker.solver.workspace import answer_at, carve, lay_out

if TYPE_CHECKING:
    from ranker.solver.double_double import Pair
    from ranker.solver.ledger import Ledger
    from ranker.solver.request import Request
    from ranker.solver.workspace import Answers, Room, Rule, Sheet, Workspace

CAP = 2.0**43
"""Cost of a unit of violation of a hard row: at the optimum, violation is within 2/CAP of the least."""

IMPROVES = 1e-15
CLOSE = 1e-13
TRUSTED = 1e-11
STEPS_OF_FLOATS = 32
"""A step of this pass takes about as long as so many of the first."""


@strict_entry
def solve_carefully(
    batch: Request, room: Room, ledger: Ledger, at: tuple[int, bool, Rule], sheet: Sheet
) -> int:
    """Solves problem b again, at = (b, fresh, rule), from the slates that the first pass left in the room.

    Unless fresh it goes on from where it stands. Returns DONE, FULL where the room is too small for all
    slates, or WALKING where the steps of the rule are spent: then the answer is the best so far.
    """
    b, fresh, rule = at
    request, w, answer = request_at(batch, b), carve(room), answer_at(lay_out(sheet), b)
    if fresh:
        prepare(request, w, ledger)
        open_with(w, ledger, w.walk[0].num_known - 1)
        balance(w, ledger, IMPROVES)
        w.walk[0].alpha = rule[0]
        put(ledger.bound[0], (np.inf, 0.0))
    approach(request, w, ledger, rule)
    if w.walk[0].status != FULL:
        hand_back(w, ledger)
        write_answer(request, w, answer)
        certify_answer(request, w, ledger, answer, pair(ledger.bound[0]))
    return int(w.walk[0].status)


@strict_kernel
def prepare(request: Request, w: Workspace, ledger: Ledger) -> None:
    """Writes limits, costs and the known slates."""
    unit = (w.walk[0].attention_unit, 0.0)
    for r in range(w.rows.size):
        row = w.rows[r]
        limit = (row.limit, 0.0)
        if row.factor != 0.0 and abs(row.limit) < 2.0:
            given = request.limits[row.source] if row.factor > 0.0 else lower_limit(request, row.source)
            limit = over(two_product(given, row.factor), unit)
        put(ledger.limit[r], limit)
        row.ceiling = CAP if row.price > HARD_PRICE else row.price
        row.floor = -row.ceiling if row.equality else 0.0
        put(ledger.center[r], (row.center if values_count(w) else row.saved, 0.0))
    for p in range(w.walk[0].num_known):
        enter_slate(request, w, ledger, p)


@strict_kernel
def approach(request: Request, w: Workspace, ledger: Ledger, rule: Rule) -> None:
    """Walks on as `column_generation.advance` does, one step at least."""
    walk = w.walk[0]
    last = w.rows.size
    objective = ledger.tableau[last + 1, last + 1]
    budget = max((rule[2] - walk.num_steps) // STEPS_OF_FLOATS, 0) + 1
    walk.status = DONE
    for _ in range(budget):
        if walk.num_known == w.reduced.size:
            walk.status = FULL
            return
        alpha = walk.alpha
        for r in range(last):
            mixed = times((1.0 - alpha, 0.0), pair(ledger.tableau[last + 1, r]))
            mixed = plus(mixed, times((alpha, 0.0), pair(ledger.center[r])))
            put(ledger.point[r], clipped(mixed, w.rows[r].floor, w.rows[r].ceiling))
        found = query(request, w, ledger)
        if exceeds(pair(ledger.bound[0]), found):
            put(ledger.bound[0], found)
            for r in range(last):
                put(ledger.center[r], pair(ledger.point[r]))
        improves = improvement(w, ledger, walk.num_known) > IMPROVES
        if improves:
            walk.num_known += 1
            balance(w, ledger, IMPROVES)
            walk.alpha = rule[0]
        converged = minus(pair(ledger.bound[0]), pair(objective))[0] <= CLOSE
        if converged or (walk.alpha == 0.0 and not improves):
            return
        if not improves:
            walk.alpha = alpha / 2.0 if alpha > 0.3 else 0.0
    walk.status = WALKING


@strict_kernel
def clipped(x: Pair, floor: float, ceiling: float) -> Pair:
    """Returns x moved into [floor, ceiling]."""
    least, most = (floor, 0.0), (ceiling, 0.0)
    if exceeds(least, x):
        return least
    return most if exceeds(x, most) else x


@strict_kernel
def query(request: Request, w: Workspace, ledger: Ledger) -> Pair:
    """Writes the best slate at `point` after the known ones; returns the bound there, in scaled units."""
    walk = w.walk[0]
    write_prices(w, ledger)
    bound = over(best_worth(request, w, ledger), (walk.value_unit, 0.0))
    bound = over(bound, (walk.attention_unit, 0.0))
    for r in range(w.rows.size):
        bound = plus(bound, times(pair(ledger.point[r]), pair(ledger.limit[r])))
    for j in range(w.slate.size):
        w.slates[walk.num_known, j] = w.slate[j]
    enter_slate(request, w, ledger, walk.num_known)
    walk.num_steps += 1
    return bound


@strict_kernel
def write_prices(w: Workspace, ledger: Ledger) -> None:
    """Writes the multipliers of the constraints, unit × Σ factor_r λ_r over the rows of each, at `point`."""
    ledger.dual[:] = 0.0
    for r in range(w.rows.size):
        row = w.rows[r]
        share = times(pair(ledger.point[r]), two_product(row.factor, w.walk[0].value_unit))
        put(ledger.dual[row.source], plus(pair(ledger.dual[row.source]), share))


@strict_kernel
def best_worth(request: Request, w: Workspace, ledger: Ledger) -> Pair:
    """Leaves in `w.slate` the best slate at `dual`, greedily under the caps; returns Σⱼ aⱼ sᵣ₍ⱼ₎."""
    for i in range(request.value.size):
        total = (request.value[i], 0.0)
        for q in range(request.limits.size):
            weight = (request.weights[q, i], 0.0)
            total = minus(total, times(pair(ledger.dual[q]), weight))
        put(ledger.scores[i], total)
        w.order[i] = 0
    for g in range(w.left.size):
        w.left[g] = w.room[g]
    for t in range(w.walk[0].num_free):
        best = -1
        for i in range(request.value.size):
            allowed = w.order[i] == 0 and w.left[w.group[i]] > 0
            if allowed and (best < 0 or exceeds(pair(ledger.scores[i]), pair(ledger.scores[best]))):
                best = i
        w.order[best] = 1
        w.left[w.group[best]] -= 1
        w.slate[w.free[t]] = best
    worth = ZERO
    for j in range(w.slate.size):
        share = times((request.attention[j], 0.0), pair(ledger.scores[w.slate[j]]))
        worth = plus(worth, share)
    return worth


@strict_kernel
def hand_back(w: Workspace, ledger: Ledger) -> None:
    """Writes mixture, dual and proof where `write_answer` reads them."""
    last = w.rows.size
    violation = 0.0
    for row in range(last + 1):
        variable, amount = w.basis[row], max(ledger.tableau[row, last + 1, 0], 0.0)
        w.tableau[row, last + 1] = amount
        if variable < 0:
            side = w.rows[(-variable - 1) // 2]
            if side.price > HARD_PRICE and (variable % 2 == 0 or side.equality):
                violation += amount
    w.walk[0].stage = REPAIR
    w.walk[0].infeasible = int(violation > VIOLATION_TOLERANCE)
    for r in range(last):
        w.rows[r].center = ledger.center[r, 0]
        w.rows[r].proof = ledger.center[r, 0] / CAP


@strict_kernel
def certify_answer(request: Request, w: Workspace, ledger: Ledger, answer: Answers, bound: Pair) -> None:
    """Writes status and bound: D(λ) in double-double numbers, of which `dual` holds the leading halves."""
    walk = w.walk[0]
    for r in range(w.rows.size):
        put(ledger.point[r], pair(ledger.center[r]))
    write_prices(w, ledger)
    total = best_worth(request, w, ledger)
    for q in range(request.limits.size):
        price = pair(ledger.dual[q])
        if price[0] != 0.0:
            sign = 1.0 if price[0] > 0.0 else -1.0
            limit = (request.limits[q] if sign > 0.0 else lower_limit(request, q)), 0.0
            if violation_price(request, q) == np.inf:
                limit = plus(limit, (sign * answer.violation[q], 0.0))
            total = plus(total, times(price, limit))
    answer.upper_bound[0] = max(np.nextafter(total[0], np.inf), answer.objective[0])
    objective = pair(ledger.tableau[w.rows.size + 1, w.rows.size + 1])
    answer.status[0] = STOPPED
    if walk.status == DONE and minus(bound, objective)[0] <= TRUSTED:
        answer.status[0] = INFEASIBLE if walk.infeasible else OPTIMAL
