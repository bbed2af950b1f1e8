"""The master of the mixture in double-double arithmetic: a basis that floats cannot solve, it can."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ranker.solver.double_double import exceeds, minus, over, plus, times, two_product
from ranker.solver.kernel import strict_kernel

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats
    from ranker.solver.double_double import Pair
    from ranker.solver.request import Request
    from ranker.solver.workspace import Workspace

LEAST_PIVOT = 1e-16
SAME_STEP = 1e-22
ZERO = (0.0, 0.0)
ONE = (1.0, 0.0)
NONE = -(2**62)


class Ledger(NamedTuple):
    """Holds what the workspace holds as floats; the last axis is hi and lo."""

    columns: Floats
    """`(R + 2, C, 2)`: use, 1 and value of each known slate."""

    tableau: Floats
    """`(R + 2, R + 2, 2)`: inverse of the basis and its right-hand side; duals and objective below."""

    direction: Floats
    """`(R + 2, 2)`: the entering column in terms of the basis."""

    limit: Floats
    """`(R, 2)`: g."""

    point: Floats
    """`(R, 2)`: multipliers of the query."""

    center: Floats
    """`(R, 2)`: multipliers where the dual bound was lowest."""

    dual: Floats
    """`(K, 2)`: multipliers of the constraints, in the units of the problem."""

    scores: Floats
    """`(n, 2)`: c − Mᵀdual."""

    bound: Floats
    """`(1, 2)`: the least dual bound."""


def make_ledger(shape: tuple[int, int, int, int]) -> Ledger:
    """Returns the memory of a ledger, shape = (R, K, n, C)."""
    num_rows, num_limits, n, capacity = shape
    return Ledger(
        columns=np.empty((num_rows + 2, capacity, 2)),
        tableau=np.empty((num_rows + 2, num_rows + 2, 2)),
        direction=np.empty((num_rows + 2, 2)),
        limit=np.empty((num_rows, 2)),
        point=np.empty((num_rows, 2)),
        center=np.empty((num_rows, 2)),
        dual=np.empty((num_limits, 2)),
        scores=np.empty((n, 2)),
        bound=np.empty((1, 2)),
    )


@strict_kernel
def pair(entry: Floats) -> Pair:
    """Returns the number in an entry `(2,)`."""
    return entry[0], entry[1]


@strict_kernel
def put(entry: Floats, x: Pair) -> None:
    """Writes a number into an entry `(2,)`."""
    entry[0], entry[1] = x


@strict_kernel
def enter_slate(request: Request, w: Workspace, ledger: Ledger, p: int) -> None:
    """Writes use, 1 and value of slate p, from the problem as it was given."""
    last = w.rows.size
    unit = (w.walk[0].attention_unit, 0.0)
    for r in range(last + 2):
        total = ZERO
        for j in range(request.attention.size):
            i = w.slates[p, j]
            weight = request.value[i] if r > last else 0.0
            if r < last:
                weight = request.weights[w.rows[r].source, i]
            total = plus(total, two_product(request.attention[j], weight))
        if r < last:
            total = over(times(total, (w.rows[r].factor, 0.0)), unit)
        elif r > last:
            total = over(over(total, (w.walk[0].value_unit, 0.0)), unit)
        put(ledger.columns[r, p], total if r != last else ONE)


@strict_kernel
def cost(w: Workspace, ledger: Ledger, variable: int) -> Pair:
    """Returns what a unit of the variable adds to the objective."""
    if variable >= 0:
        return pair(ledger.columns[w.rows.size + 1, variable])
    row = w.rows[(-variable - 1) // 2]
    return (row.floor if variable % 2 else -row.ceiling), 0.0


@strict_kernel
def open_with(w: Workspace, ledger: Ledger, p: int) -> None:
    """Makes slate p, with the slack or the excess that it leaves on each row, the basis.

    The inverse of that basis is diagonal but for the column of Σw = 1.
    """
    last = w.rows.size
    ledger.tableau[:] = 0.0
    w.basis[last] = p
    put(ledger.tableau[last, last], ONE)
    put(ledger.tableau[last, last + 1], ONE)
    worth = cost(w, ledger, p)
    put(ledger.tableau[last + 1, last], worth)
    put(ledger.tableau[last + 1, last + 1], worth)
    for r in range(last):
        use = pair(ledger.columns[r, p])
        room = minus(pair(ledger.limit[r]), use)
        sign = -1.0 if room[0] < 0.0 else 1.0
        w.basis[r] = -1 - 2 * r if sign > 0.0 else -2 - 2 * r
        put(ledger.tableau[r, r], (sign, 0.0))
        put(ledger.tableau[r, last], (-sign * use[0], -sign * use[1]))
        put(ledger.tableau[r, last + 1], (sign * room[0], sign * room[1]))
        add_row(ledger.tableau[last + 1], cost(w, ledger, w.basis[r]), ledger.tableau[r])


@strict_kernel
def add_row(target: Floats, factor: Pair, source: Floats) -> None:
    """Adds factor × source `(S, 2)` to the target."""
    for r in range(target.shape[0]):
        put(target[r], plus(pair(target[r]), times(factor, pair(source[r]))))


@strict_kernel
def balance(w: Workspace, ledger: Ledger, tolerance: float) -> bool:
    """Pivots until no known slate, slack or excess improves the objective; says whether that was reached.

    Takes the variable that improves most; after 20 (R + 1) pivots the first that improves (Bland 1977).
    """
    patience = 20 * w.basis.size
    fresh = False
    for pivot in range(50 * patience):
        entering = find_improving(w, ledger, pivot > patience, tolerance)
        if entering == NONE and fresh:
            return True
        if entering == NONE:
            reprice(w, ledger)
            fresh = True
            continue
        fresh = False
        fill_direction(w, ledger, entering)
        leaving = find_blocking(w, ledger, pivot > patience)
        if leaving == NONE:
            return False
        exchange(w, ledger, entering, leaving)
    return False


@strict_kernel
def reprice(w: Workspace, ledger: Ledger) -> None:
    """Recomputes duals and objective from the basis, free of what large duals on the way left behind."""
    last = w.rows.size
    ledger.tableau[last + 1] = 0.0
    for row in range(last + 1):
        add_row(ledger.tableau[last + 1], cost(w, ledger, w.basis[row]), ledger.tableau[row])


@strict_kernel
def improvement(w: Workspace, ledger: Ledger, variable: int) -> float:
    """Returns what a unit of the variable would gain: its cost less the duals of what it uses."""
    last = w.rows.size
    dual = ledger.tableau[last + 1]
    if variable < 0:
        hi, lo = pair(dual[(-variable - 1) // 2])
        used = (hi, lo) if variable % 2 else (-hi, -lo)
        return minus(cost(w, ledger, variable), used)[0]
    total = cost(w, ledger, variable)
    for r in range(last + 1):
        total = minus(total, times(pair(dual[r]), pair(ledger.columns[r, variable])))
    return total[0]


@strict_kernel
def find_improving(w: Workspace, ledger: Ledger, first: bool, tolerance: float) -> int:
    """Returns the variable that improves the objective most (or the first that does), or NONE."""
    best, entering = tolerance, NONE
    for variable in range(-2 * w.rows.size, w.walk[0].num_known):
        gain = improvement(w, ledger, variable)
        if gain > best:
            best, entering = gain, variable
            if first:
                break
    return entering


@strict_kernel
def fill_direction(w: Workspace, ledger: Ledger, variable: int) -> None:
    """Writes the variable's column in terms of the basis, and minus what it adds to the objective."""
    last = w.rows.size
    for row in range(last + 2):
        total = ZERO
        if variable >= 0:
            for r in range(last + 1):
                total = plus(total, times(pair(ledger.tableau[row, r]), pair(ledger.columns[r, variable])))
        else:
            sign = 1.0 if variable % 2 else -1.0
            total = times((sign, 0.0), pair(ledger.tableau[row, (-variable - 1) // 2]))
        if row > last:
            total = minus(total, cost(w, ledger, variable))
        put(ledger.direction[row], total)


@strict_kernel
def find_blocking(w: Workspace, ledger: Ledger, first: bool) -> int:
    """Returns the row that blocks first, or NONE; of equals the safest pivot, or the first (Bland)."""
    size = w.basis.size
    leaving, least = NONE, (np.inf, 0.0)
    for row in range(size):
        step_by = pair(ledger.direction[row])
        if step_by[0] > LEAST_PIVOT:
            ratio = over(pair(ledger.tableau[row, size]), step_by)
            gap = ratio[0] if leaving == NONE else minus(ratio, least)[0]
            if leaving == NONE or gap < -SAME_STEP:
                leaving, least = row, ratio
            elif gap <= SAME_STEP:
                better = w.basis[row] < w.basis[leaving]
                if not first:
                    better = exceeds(step_by, pair(ledger.direction[leaving]))
                if better:
                    leaving = row
    return leaving


@strict_kernel
def exchange(w: Workspace, ledger: Ledger, entering: int, leaving: int) -> None:
    """Puts the variable into the basis in place of that of the row."""
    size = w.basis.size
    w.basis[leaving] = entering
    source = ledger.tableau[leaving]
    pivot = pair(ledger.direction[leaving])
    for r in range(size + 1):
        put(source[r], over(pair(source[r]), pivot))
    for row in range(size + 1):
        if row != leaving:
            hi, lo = pair(ledger.direction[row])
            add_row(ledger.tableau[row], (-hi, -lo), source)
