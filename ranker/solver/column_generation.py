"""The walk: price a slate, add it to the master, until the dual bound and the mixture meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.ellipsoid import cut_at_query, move_to_center, surround_box
from ranker.solver.kernel import hot_kernel, kernel
from ranker.solver.pricing import find_best, place_top, score
from ranker.solver.rough import rough_margin, select_top_roughly
from ranker.solver.simplex import optimise, pivot_on, refresh, refresh_dual, start_from

if TYPE_CHECKING:
    from ranker.solver.workspace import Rule, Workspace

FIRST_CAP = 16.0
CAP_GROWTH = 64.0
LAST_CAP = 1e7
HARD_PRICE = 1e7
FEASIBLE_CAP = 1e10
VIOLATION_TOLERANCE = 5e-10
IMPROVEMENT_TOLERANCE = 2e-12

WORTH, RESTORE, REPAIR, LEAST = 0, 1, 2, 3
"""Stages. The master maximises worth, violation of hard rows costing `cap` a unit; if some is left,
minus that violation; worth again, the cap raised until no avoidable violation is left; and, should
rounding prevent that, minus violation for good."""

WALKING, DONE, FULL = 0, 1, 2
"""Statuses; FULL: there is no room for another slate."""


@kernel
def start(w: Workspace) -> None:
    """Prices the slate at `center` and makes it the first mixture, with what else is known."""
    walk = w.walk[0]
    walk.num_steps = walk.num_pivots = walk.stage = walk.status = walk.infeasible = 0
    walk.first_step = walk.surrounded = 0
    walk.cap = FIRST_CAP
    walk.bound = np.inf
    set_costs(w)
    for r in range(w.rows.size):
        w.rows[r].point = w.rows[r].center
    clip_point(w)
    price(w)
    start_from(w, walk.num_known - 1)
    optimise(w)


@kernel
def advance(w: Workspace, rule: Rule) -> None:
    """Walks until the gap is within the tolerance, the steps are spent or the room is full.

    Queries at α center + (1 − α) master dual (Wentges 1997): where the slate found there does not
    improve the master, the gap has shrunk by α (Pessoa et al. 2013, mis-price lemma) and α halves. With
    one row Kelley's method, α = 0, is a secant between the best slates on either side, and needs no help.
    A stage that takes too long alternates between α = 0 and the centers of an ellipsoid.
    """
    smoothing, tolerance, num_steps, patience = rule
    walk = w.walk[0]
    if w.rows.size == 1:
        smoothing = 0.0
    walk.alpha = smoothing
    if has_converged(w, tolerance):
        conclude(w)
    while walk.status == WALKING and walk.num_steps < num_steps:
        if walk.num_known == w.reduced.size:
            walk.status = FULL
            return
        central = choose_point(w, patience)
        improves = price(w)
        if central:
            walk.surrounded = int(cut_at_query(w, walk.num_known - 1))
        if improves:
            pivot_on(w, walk.num_known - 1)
            walk.alpha = smoothing
        if has_converged(w, tolerance) or not (improves or central or walk.alpha > 0.0):
            walk.alpha = smoothing
            conclude(w)
        elif not improves:
            walk.alpha = walk.alpha / 2.0 if walk.alpha > 0.3 else 0.0


@hot_kernel
def choose_point(w: Workspace, patience: int) -> bool:
    """Chooses the next query; says whether it is the center of the ellipsoid."""
    walk = w.walk[0]
    if walk.num_steps - walk.first_step >= patience:
        walk.alpha = 0.0
        if walk.num_steps % 2 == 0:
            if not walk.surrounded:
                surround_box(w)
            if move_to_center(w):
                clip_point(w)
                return True
    for r in range(w.rows.size):
        w.rows[r].point = walk.alpha * w.rows[r].center + (1.0 - walk.alpha) * w.tableau[-1, r]
    clip_point(w)
    return False


@hot_kernel
def values_count(w: Workspace) -> bool:
    """Says whether the stage maximises worth."""
    return bool(w.walk[0].stage == WORTH or w.walk[0].stage == REPAIR)


@hot_kernel
def goal_row(w: Workspace) -> int:
    """Returns the row of the grid that the stage maximises: the value, or zeros."""
    return int(w.rows.size if values_count(w) else w.rows.size + 1)


@hot_kernel
def has_converged(w: Workspace, tolerance: float) -> bool:
    """Says whether bound and objective meet within the tolerance, or within rounding."""
    bound, objective = w.walk[0].bound, w.tableau[-1, -1]
    if values_count(w):
        return bool(bound - objective <= tolerance * max(abs(bound), abs(objective)) + 1e-15)
    return bool(-objective <= VIOLATION_TOLERANCE or bound - objective <= 0.002 * VIOLATION_TOLERANCE)


@hot_kernel
def clip_point(w: Workspace) -> None:
    """Moves the multipliers of the query into the range that slack and excess allow."""
    for r in range(w.rows.size):
        w.rows[r].point = min(max(w.rows[r].point, w.rows[r].floor), w.rows[r].ceiling)


@hot_kernel
def price(w: Workspace) -> bool:
    """Adds the best slate at `point` to the known ones, and lowers the bound if it can.

    Says whether the slate improves the master by more than rounding can feign.
    """
    last = w.rows.size
    for r in range(last):
        w.point[r] = w.rows[r].point
    find_best_at_point(w)
    p = w.walk[0].num_known
    w.walk[0].num_known += 1
    w.walk[0].num_steps += 1
    for j in range(w.slate.size):
        w.slates[p, j] = w.slate[j]
    fill_column(w, p)
    bound = w.columns[last + 1, p]
    improvement = bound - w.tableau[last + 1, last]
    weight = 1.0 + abs(w.tableau[last + 1, last])
    for r in range(last):
        bound += w.rows[r].point * (w.rows[r].limit - w.columns[r, p])
        improvement -= w.tableau[last + 1, r] * w.columns[r, p]
        weight += abs(w.tableau[last + 1, r])
    if bound < w.walk[0].bound:
        w.walk[0].bound = bound
        for r in range(last):
            w.rows[r].center = w.rows[r].point
    return bool(improvement > IMPROVEMENT_TOLERANCE * weight)


@hot_kernel
def find_best_at_point(w: Workspace) -> None:
    """Leaves in `w.slate` the slate that the stage wants most at `point`."""
    margin = np.inf
    if w.walk[0].rough and not w.walk[0].capped and values_count(w):
        margin = rough_margin(w)
    if margin < np.inf:
        select_top_roughly(w, margin)
        place_top(w)
    else:
        score(w.grid[goal_row(w)], w.grid, w.point, w.scores)
        find_best(w)


@hot_kernel
def fill_column(w: Workspace, p: int) -> None:
    """Writes use, 1 and value of slate p; the value is 0 while only violation counts."""
    last = w.rows.size
    for r in range(last + 1):
        row = w.grid[r if r < last else goal_row(w)]
        total = 0.0
        for j in range(w.slate.size):
            total += w.attention[j] * row[w.slates[p, j]]
        w.columns[r if r < last else last + 1, p] = total
    w.columns[last, p] = 1.0


@kernel
def set_costs(w: Workspace) -> None:
    """Gives slack and excess the costs of the stage, and the known slates their values."""
    for r in range(w.rows.size):
        row = w.rows[r]
        hard = row.price > HARD_PRICE
        if values_count(w):
            row.ceiling = w.walk[0].cap if hard else row.price
        else:
            row.ceiling = 1.0 if hard else 0.0
        row.floor = -row.ceiling if row.equality else 0.0
    for p in range(w.walk[0].num_known):
        fill_column(w, p)


@kernel
def hard_violation(w: Workspace) -> float:
    """Returns by how much the mixture breaks the hard rows, summed in the units of the rows."""
    total = 0.0
    for b in range(w.basis.size):
        variable = w.basis[b]
        if variable < 0:
            row = w.rows[(-variable - 1) // 2]
            breaks = variable % 2 == 0 or row.equality == 1
            if breaks and row.price > HARD_PRICE:
                total += max(w.tableau[b, -1], 0.0)
    return total


@kernel
def conclude(w: Workspace) -> None:
    """Ends the walk, or opens the stage that deals with what violation of hard rows is left."""
    walk = w.walk[0]
    settle(w)
    violation = hard_violation(w)
    if walk.stage == WORTH and violation > VIOLATION_TOLERANCE:
        open_stage(w, RESTORE)
    elif walk.stage == RESTORE:
        walk.least_violation = violation
        walk.infeasible = int(-walk.bound > 0.1 * VIOLATION_TOLERANCE and violation > VIOLATION_TOLERANCE)
        for r in range(w.rows.size):
            w.rows[r].proof = w.rows[r].center
        walk.cap = FIRST_CAP * CAP_GROWTH if walk.infeasible else FEASIBLE_CAP
        open_stage(w, REPAIR)
    elif walk.stage == REPAIR and violation > walk.least_violation + excess_allowed(w):
        walk.cap *= CAP_GROWTH
        open_stage(w, REPAIR if walk.cap <= LAST_CAP else LEAST)
    else:
        walk.status = DONE


@kernel
def settle(w: Workspace) -> None:
    """Takes rounding out of the mixture: factorises anew until that calls for no more pivots."""
    for _ in range(5):
        refresh(w)
        optimise(w)
        if w.walk[0].num_pivots == w.walk[0].refreshed:
            return


@kernel
def excess_allowed(w: Workspace) -> float:
    """Returns by how much violation may exceed the least: at the last cap, by what that cap cannot see."""
    return 1e-8 if w.walk[0].infeasible and w.walk[0].cap * CAP_GROWTH > LAST_CAP else VIOLATION_TOLERANCE


@kernel
def open_stage(w: Workspace, stage: int) -> None:
    """Changes what the master maximises; slates, basis and the best dual for the worth stay."""
    walk = w.walk[0]
    was_worth = values_count(w)
    walk.stage = stage
    walk.first_step, walk.surrounded = walk.num_steps, 0
    for r in range(w.rows.size):
        if was_worth:
            w.rows[r].saved = w.rows[r].center
        w.rows[r].center = w.rows[r].saved if values_count(w) else 0.0
    if was_worth:
        walk.saved_bound = walk.bound
    walk.bound = walk.saved_bound if values_count(w) else np.inf
    set_costs(w)
    refresh_dual(w)
    optimise(w)
