"""The oracle for many candidates: single precision rules out all but a few, which are scored exactly.

Half as many bytes are read and twice as many candidates fit a register. A candidate is ruled out where its
rough score is below the exact one that it has to beat by more than rounding can explain, so the slate found
is best by exact scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.kernel import counting_kernel, hot_kernel, kernel
from ranker.solver.pricing import BLOCK, insert, score

if TYPE_CHECKING:
    from ranker.solver.arrays import Singles
    from ranker.solver.workspace import Workspace

UNIT_ROUNDOFF = 2.0**-24
WIDEST_MARGIN = 2e-5
"""Where prices are so high that rounding can explain more than this, nothing is ruled out: units of value."""

FEW = 0.125
"""Share of the candidates that may need exact scores; where ties leave more, double precision takes over."""


@kernel
def copy_roughly(w: Workspace) -> None:
    """Copies the scaled problem in single precision, if there are candidates enough."""
    w.walk[0].rough = int(w.rough_scores.size > 0)
    if w.rough_scores.size > 0:
        for r in range(w.rows.size + 1):
            source, target = w.grid[r], w.rough_grid[r]
            for i in range(target.size):
                target[i] = np.float32(source[i])


@hot_kernel
def rough_margin(w: Workspace) -> float:
    """Returns by how much a rough score can be off, in units of value; inf where that is too much to use.

    Value and weights are at most 1. Rounding to single precision, R products and R sums err by
    (R + 4) 2⁻²⁴ (1 + Σ|λ|) at most, and rounding what it is compared with by 2⁻²⁴ (1 + Σ|λ|).
    """
    size = 1.0
    for r in range(w.point.size):
        size += abs(w.point[r])
    margin = 1.1 * UNIT_ROUNDOFF * (w.point.size + 5.0) * size
    return margin if margin <= WIDEST_MARGIN else np.inf


@hot_kernel
def select_top_roughly(w: Workspace, margin: float) -> None:
    """Replaces `w.top` by the candidates with the highest scores at `point`, as `select_top` does."""
    num_free, last, rough = w.walk[0].num_free, w.point.size, w.rough_scores
    for r in range(last):
        w.rough_point[r] = np.float32(w.point[r])
    score(w.rough_grid[last], w.rough_grid, w.rough_point, rough)
    for t in range(num_free):
        w.old[t] = w.top[t]
        insert(w, w.old[t], exact_score(w, w.old[t]), t)
    for t in range(num_free):
        rough[w.old[t]] = np.float32(-np.inf)
    floor = w.top_scores[num_free - 1]
    least = np.float32(floor - margin)
    count, num_whole = 0, rough.size // BLOCK
    for block in range(num_whole + 1):
        start = block * BLOCK
        if block < num_whole and not any_rough_above(rough[start : start + BLOCK], least):
            continue
        for i in range(start, min(start + BLOCK, rough.size)):
            if rough[i] > least:
                count += 1
                exact = exact_score(w, i)
                if exact > floor:
                    insert(w, i, exact, num_free - 1)
                    floor = w.top_scores[num_free - 1]
                    least = np.float32(floor - margin)
    if count > FEW * rough.size:
        w.walk[0].rough = 0


@counting_kernel
def any_rough_above(rough: Singles, least: np.float32) -> bool:
    """Says whether one of BLOCK scores is above `least`: counts in single precision, eight in a register."""
    hits, one, none = np.float32(0.0), np.float32(1.0), np.float32(0.0)
    for i in range(BLOCK):
        hits += one if rough[i] > least else none
    return bool(hits > none)


@hot_kernel
def exact_score(w: Workspace, i: int) -> float:
    """Returns v − Gᵀλ of a candidate, for λ = `point`."""
    last = w.point.size
    total = w.grid[last, i]
    for r in range(last):
        total -= w.point[r] * w.grid[r, i]
    return float(total)
