"""The fallback with a proof: queries at the center of an ellipsoid around the best multipliers.

Column generation ends, as there are finitely many slates, but may in theory see very many of them. Let the
multipliers lie in a box, y ∈ [−1, 1]ᴿ in units of its half-widths, and V be the most by which the dual bound
varies over it. Every query at the center of the ellipsoid cuts off a half that holds no point where the
cuts so far, whose least value in the box is the master's objective, lie below the best bound − ε. As long
as such a point exists, so does a copy of the box shrunk by ε / V, by convexity; and the volume falls by
exp(1 / (2 (R + 1))) at each cut. Hence, in exact arithmetic, bound − objective ≤ ε after at most

    2 R (R + 1) ln(√R V / ε)   cuts

(Yudin and Nemirovski 1976; Shor 1977; Grötschel, Lovász and Schrijver 1988). A cut is a query or, where
the center lies outside the box, a side of the box.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ranker.solver.kernel import kernel

if TYPE_CHECKING:
    from ranker.solver.workspace import Workspace


SIDES_AT_ONCE = 1000
"""Where rounding keeps the center outside the box after so many cuts a row, there is none."""


def most_cuts(num_rows: int, variation: float) -> float:
    """Returns 2 R (R + 1) ln(√R V / ε), where variation = V / ε."""
    return 2.0 * num_rows * (num_rows + 1.0) * math.log(math.sqrt(num_rows) * variation)


@kernel
def surround_box(w: Workspace) -> None:
    """Begins with the ball around the box: radius √R in units of its half-widths."""
    size = w.rows.size
    w.ellipsoid[:] = 0.0
    for r in range(size):
        w.ellipsoid[r, r] = size


@kernel
def half_width(w: Workspace, r: int) -> float:
    """Returns half the width of the box along row r."""
    return float(0.5 * (w.rows[r].ceiling - w.rows[r].floor))


@kernel
def move_to_center(w: Workspace) -> bool:
    """Makes the center the next query, the sides of the box cutting until it is inside; says if it exists."""
    size, outside = w.rows.size, -1
    for _ in range(SIDES_AT_ONCE * (size + 1)):
        outside = -1
        for r in range(size):
            if abs(w.ellipsoid[size, r]) > 1.0:
                outside = r
        if outside < 0:
            break
        for r in range(size):
            w.direction[r] = 0.0
        w.direction[outside] = w.ellipsoid[size, outside]
        if not shrink(w):
            return False
    if outside >= 0:
        return False
    for r in range(size):
        row = w.rows[r]
        row.point = 0.5 * (row.floor + row.ceiling) + half_width(w, r) * w.ellipsoid[size, r]
    return True


@kernel
def cut_at_query(w: Workspace, p: int) -> bool:
    """Keeps the half where the bound that slate p proves is no higher than here; says if it could."""
    for r in range(w.rows.size):
        w.direction[r] = half_width(w, r) * (w.rows[r].limit - w.columns[r, p])
    return shrink(w)


@kernel
def shrink(w: Workspace) -> bool:
    """Replaces {y : (y − z)ᵀ P⁻¹ (y − z) ≤ 1} by the least ellipsoid around its half gᵀ(y − z) ≤ 0.

    z ← z − d / (R + 1), P ← R² / (R² − 1) (P − 2 / (R + 1) d dᵀ), d = P g / √(gᵀ P g), g in `direction`.
    Says whether there was a half: not where g = 0, or rounding has flattened the ellipsoid.
    """
    size = w.rows.size
    norm = 0.0
    for r in range(size):
        w.point[r] = 0.0
        for s in range(size):
            w.point[r] += w.ellipsoid[r, s] * w.direction[s]
        norm += w.point[r] * w.direction[r]
    if not norm > 0.0:
        return False
    norm = math.sqrt(norm)
    growth = size * size / (size * size - 1.0) if size > 1 else 0.25
    share = 2.0 / (size + 1.0) if size > 1 else 0.0
    for r in range(size):
        w.ellipsoid[size, r] -= w.point[r] / norm / (size + 1.0)
        for s in range(size):
            w.ellipsoid[r, s] -= share * (w.point[r] / norm) * (w.point[s] / norm)
            w.ellipsoid[r, s] *= growth
    return True
