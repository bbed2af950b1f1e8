"""The master: the best mixture of the slates known so far, by the primal simplex method.

max Σ v_p w_p − Σ costs   subject to   Σ use_p w_p + slack − excess = g,   Σ w_p = 1,   all ≥ 0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.kernel import hot_kernel, kernel
from ranker.solver.pricing import score

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats
    from ranker.solver.workspace import Workspace

LEAST_PIVOT = 1e-9
INFEASIBLE = 5e-10
FEASIBILITY_TOLERANCE = 1e-10
REDUCED_TOLERANCE = 1e-12
PIVOTS_BETWEEN_FACTORISATIONS = 256
SINGULAR = 1e-13
NONE = -(2**62)


@kernel
def start_from(w: Workspace, p: int) -> None:
    """Makes slate p, with the slack or the excess that it leaves on each row, the basis.

    Its inverse is diagonal but for the column of Σw = 1.
    """
    last = w.rows.size
    w.tableau[:] = 0.0
    w.basis[last] = p
    w.tableau[last, last] = w.tableau[last, last + 1] = 1.0
    for r in range(last):
        room = w.rows[r].limit - w.columns[r, p]
        sign = 1.0 if room >= 0.0 else -1.0
        w.basis[r] = -1 - 2 * r if room >= 0.0 else -2 - 2 * r
        w.tableau[r, r] = sign
        w.tableau[r, last] = -sign * w.columns[r, p]
        w.tableau[r, last + 1] = sign * room
    w.walk[0].refreshed = w.walk[0].num_pivots
    refresh_dual(w)


@kernel
def optimise(w: Workspace) -> None:
    """Pivots until no known slate, slack or excess improves the objective."""
    pivot_on(w, NONE)


@hot_kernel
def pivot_on(w: Workspace, entering: int) -> None:
    """Pivots, `entering` first, until no known slate, slack or excess improves the objective.

    Takes the variable that improves most; after 20 (R + 1) pivots the first that improves, which
    cannot cycle (Bland 1977).
    """
    patience = 20 * w.basis.size
    for pivot in range(50 * patience):
        if w.walk[0].num_pivots - w.walk[0].refreshed >= PIVOTS_BETWEEN_FACTORISATIONS:
            refresh(w)
        if entering == NONE:
            entering = find_entering(w, pivot > patience)
        if entering == NONE:
            return
        fill_direction(w, entering)
        leaving = find_leaving(w, pivot > patience)
        if leaving == NONE:
            return
        w.basis[leaving] = entering
        w.walk[0].num_pivots += 1
        eliminate(w.tableau, w.direction, leaving)
        entering = NONE


@hot_kernel
def find_entering(w: Workspace, first: bool) -> int:
    """Returns the variable that improves the objective most (or the first that does), or NONE."""
    last = w.rows.size
    dual = w.tableau[last + 1]
    weight = 1.0 + abs(dual[last])
    for r in range(last):
        weight += abs(dual[r])
    best, entering = REDUCED_TOLERANCE * weight, NONE
    for r in range(last):
        below, above = w.rows[r].floor - dual[r], dual[r] - w.rows[r].ceiling
        if max(below, above) > best and not (first and entering != NONE):
            best = max(below, above)
            entering = -1 - 2 * r if below > above else -2 - 2 * r
    size = w.walk[0].num_known
    reduced = w.reduced[:size]
    score(w.columns[last + 1], w.columns, dual[: last + 1], reduced)
    for p in range(size):
        if reduced[p] > best and not (first and entering != NONE):
            best, entering = reduced[p], p
    return entering


@hot_kernel
def fill_direction(w: Workspace, variable: int) -> None:
    """Writes the variable's column in terms of the basis, and minus what it adds to the objective."""
    last = w.rows.size
    if variable >= 0:
        for r in range(last + 1):
            w.entering[r] = w.columns[r, variable]
        multiply(w.tableau, w.entering, w.direction)
    else:
        r = (-variable - 1) // 2
        for row in range(last + 2):
            w.direction[row] = w.tableau[row, r] if variable % 2 else -w.tableau[row, r]
    w.direction[last + 1] -= cost_of(w, variable)


@hot_kernel
def multiply(matrix: Floats, column: Floats, product: Floats) -> None:
    """Writes matrix × column, without the last column and entry, four rows at a time so that no sum waits."""
    row = 0
    while row + 4 <= product.size:
        row0, row1, row2, row3 = matrix[row], matrix[row + 1], matrix[row + 2], matrix[row + 3]
        total0 = total1 = total2 = total3 = 0.0
        for r in range(product.size - 1):
            total0 += row0[r] * column[r]
            total1 += row1[r] * column[r]
            total2 += row2[r] * column[r]
            total3 += row3[r] * column[r]
        product[row], product[row + 1], product[row + 2], product[row + 3] = total0, total1, total2, total3
        row += 4
    while row < product.size:
        total0 = 0.0
        for r in range(product.size - 1):
            total0 += matrix[row, r] * column[r]
        product[row] = total0
        row += 1


@hot_kernel
def cost_of(w: Workspace, variable: int) -> float:
    """Returns what a unit of the variable adds to the objective."""
    if variable >= 0:
        return float(w.columns[w.rows.size + 1, variable])
    row = w.rows[(-variable - 1) // 2]
    return float(row.floor if variable % 2 else -row.ceiling)


@hot_kernel
def find_leaving(w: Workspace, first: bool) -> int:
    """Returns the row that blocks first, or NONE; of those that block within a hair, the safest pivot.

    The two passes are those of Harris (1973).
    """
    size = w.basis.size
    step = np.inf
    for row in range(size):
        d = w.direction[row]
        if d > LEAST_PIVOT:
            w.tableau[row, size] = max(w.tableau[row, size], 0.0)
            step = min(step, (w.tableau[row, size] + FEASIBILITY_TOLERANCE) / d)
    leaving = NONE
    for row in range(size):
        d = w.direction[row]
        if d > LEAST_PIVOT and w.tableau[row, size] <= step * d:
            if first:
                better = leaving == NONE or w.basis[row] < w.basis[leaving]
            else:
                better = leaving == NONE or d > w.direction[leaving]
            if better:
                leaving = row
    return leaving


@hot_kernel
def eliminate(matrix: Floats, column: Floats, pivot: int) -> None:
    """Does the row operations on `matrix` that turn `column` into the unit vector of the pivot."""
    width = matrix.shape[1]
    source = matrix[pivot]
    factor = 1.0 / column[pivot]
    for r in range(width):
        source[r] *= factor
    for row in range(matrix.shape[0]):
        factor = column[row]
        if row != pivot and factor != 0.0:
            target = matrix[row]
            for r in range(width):
                target[r] -= factor * source[r]


@kernel
def refresh(w: Workspace) -> None:
    """Takes the rounding of many pivots out of the tableau; starts over if it proves no basis."""
    w.walk[0].refreshed = w.walk[0].num_pivots
    if not factorise(w):
        start_from(w, 0)


@kernel
def factorise(w: Workspace) -> bool:
    """Recomputes the tableau from the basis; says whether that is regular and feasible."""
    last = w.rows.size
    for row in range(last + 1):
        variable = w.basis[row]
        for r in range(last + 1):
            w.tableau[row, r] = 1.0 if row == r else 0.0
            w.matrix[r, row] = w.columns[r, variable] if variable >= 0 else 0.0
        if variable < 0:
            w.matrix[(-variable - 1) // 2, row] = 1.0 if variable % 2 else -1.0
        w.tableau[row, last + 1] = w.rows[row].limit if row < last else 1.0
    for row in range(last + 1):
        if not make_pivot(w, row):
            return False
    refine(w)
    refresh_dual(w)
    feasible = True
    for row in range(last + 1):
        feasible = feasible and w.tableau[row, last + 1] > -INFEASIBLE
    return feasible


@kernel
def make_pivot(w: Workspace, pivot: int) -> bool:
    """Eliminates column `pivot` of the basis matrix, its largest entry moved up; says whether it can."""
    size = w.basis.size
    largest = pivot
    for row in range(pivot + 1, size):
        if abs(w.matrix[row, pivot]) > abs(w.matrix[largest, pivot]):
            largest = row
    if abs(w.matrix[largest, pivot]) < SINGULAR:
        return False
    if largest != pivot:
        for r in range(size):
            w.matrix[pivot, r], w.matrix[largest, r] = w.matrix[largest, r], w.matrix[pivot, r]
        for r in range(size + 1):
            w.tableau[pivot, r], w.tableau[largest, r] = w.tableau[largest, r], w.tableau[pivot, r]
    for row in range(size):
        w.direction[row] = w.matrix[row, pivot]
    eliminate(w.matrix, w.direction, pivot)
    eliminate(w.tableau[:size], w.direction, pivot)
    return True


@kernel
def refine(w: Workspace) -> None:
    """Corrects the values of the basic variables by what they miss of the right-hand side."""
    size = w.basis.size
    for r in range(size):
        w.direction[r] = w.rows[r].limit if r < size - 1 else 1.0
    for row in range(size):
        variable, x = w.basis[row], w.tableau[row, size]
        if variable >= 0:
            for r in range(size):
                w.direction[r] -= x * w.columns[r, variable]
        else:
            w.direction[(-variable - 1) // 2] -= x if variable % 2 else -x
    for row in range(size):
        for r in range(size):
            w.tableau[row, size] += w.tableau[row, r] * w.direction[r]


@kernel
def refresh_dual(w: Workspace) -> None:
    """Recomputes duals and objective from the values of the basic variables."""
    size = w.basis.size
    for r in range(size + 1):
        w.tableau[size, r] = 0.0
    for row in range(size):
        cost = cost_of(w, w.basis[row])
        for r in range(size + 1):
            w.tableau[size, r] += cost * w.tableau[row, r]
