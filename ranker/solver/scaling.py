"""Between the units of the problem and those of the solver, in which everything is of order one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.kernel import kernel, maximum_kernel
from ranker.solver.rough import copy_roughly

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Records
    from ranker.solver.request import Request
    from ranker.solver.workspace import Workspace


@maximum_kernel
def largest(array: Floats) -> float:
    """Returns max|array|, or 1 if that is 0: the unit of the array."""
    top = 0.0
    for i in range(array.size):
        size = abs(array[i])
        if size > top:
            top = size
    return top if top > 0.0 else 1.0


@kernel
def lower_limit(request: Request, q: int) -> float:
    """Returns l_q, which is -inf where nothing is said."""
    return float(request.lower_limits[q] if request.lower_limits.size > 0 else -np.inf)


@kernel
def violation_price(request: Request, q: int) -> float:
    """Returns the price of a unit of violation, which is inf where nothing is said."""
    return float(request.violation_price[q] if request.violation_price.size > 0 else np.inf)


@kernel
def scale(request: Request, w: Workspace) -> None:
    """Writes the scaled problem into the workspace: upper limits and equalities, then lower ones."""
    n, num_limits = request.value.size, request.limits.size
    walk = w.walk[0]
    walk.attention_unit = 0.0
    for a in request.attention:
        walk.attention_unit += a
    for j in range(w.attention.size):
        w.attention[j] = request.attention[j] / walk.attention_unit
    walk.value_unit = largest(request.value)
    for i in range(n):
        w.grid[w.rows.size, i] = request.value[i] / walk.value_unit
        w.grid[w.rows.size + 1, i] = 0.0
    r = num_limits
    for q in range(num_limits):
        factor = 1.0 / largest(request.weights[q])
        lower, upper = lower_limit(request, q), request.limits[q]
        fill_row(request, w, q, q, factor)
        w.rows[q].equality = int(lower == upper)
        if lower > -np.inf and lower < upper:
            fill_row(request, w, r, q, -factor)
            r += 1
    for void in range(r, w.rows.size):
        fill_row(request, w, void, 0, 0.0)
    copy_roughly(w)


@kernel
def fill_row(request: Request, w: Workspace, r: int, q: int, factor: float) -> None:
    """Writes row r: factor × (constraint q), its upper side if factor > 0, its lower if < 0, void if 0."""
    row = w.rows[r]
    limit = 2.0
    if factor != 0.0:
        limit = (request.limits[q] if factor > 0.0 else lower_limit(request, q)) * factor
        limit = min(max(limit / w.walk[0].attention_unit, -2.0), 2.0)
    row.limit = limit
    row.factor = factor
    row.source = q
    row.equality = 0
    row.price = np.inf
    if factor != 0.0:
        row.price = violation_price(request, q) / abs(factor) / w.walk[0].value_unit
    for i in range(request.value.size):
        w.grid[r, i] = request.weights[q, i] * factor


@kernel
def read_dual(dual: Floats, w: Workspace) -> None:
    """Writes the multipliers `(K,)` of the constraints into `center` of the rows."""
    for r in range(w.rows.size):
        row = w.rows[r]
        row.center = 0.0
        if row.factor != 0.0 and dual.size > 0:
            row.center = dual[row.source] / row.factor / w.walk[0].value_unit


@kernel
def write_dual(rows: Records, unit: float, saved: bool, dual: Floats) -> None:
    """Writes the multipliers `(K,)` of the constraints: unit × Σ factor_r λ_r over the rows of each."""
    for q in range(dual.size):
        dual[q] = 0.0
    for r in range(rows.size):
        row = rows[r]
        dual[row.source] += (row.saved if saved else row.center) * row.factor * unit


@kernel
def write_proof(rows: Records, proof: Floats) -> None:
    """Writes the direction `(K,)` that proves infeasibility."""
    for q in range(proof.size):
        proof[q] = 0.0
    for r in range(rows.size):
        proof[rows[r].source] += rows[r].proof * rows[r].factor
