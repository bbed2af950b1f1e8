"""One slate that keeps every limit by itself: the slates of the mixture, local search, branch and bound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.batch import run
from ranker.solver.branching import Tree, branch, least_use, sort_by_score
from ranker.solver.kernel import entry, kernel
from ranker.solver.local_search import BROKEN, climb
from ranker.solver.pricing import find_best, prepare_oracle, score
from ranker.solver.scaling import read_dual, scale
from ranker.solver.solution import Solution, Status, solution_at
from ranker.solver.workspace import carve, make_room

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.request import Request
    from ranker.solver.settings import Settings
    from ranker.solver.workspace import Room, Workspace

PRICE_FACTORS = np.array([1.0, 1.05, 1.2, 1.5, 2.0, 4.0, 16.0, 0.5, 0.0])
"""Multiples of the dual whose best slates are starting points too."""


def solve_every_slate(request: Request, settings: Settings) -> Solution:
    """Returns one slate within all limits, with a bound of what any such slate is worth.

    The mixture in expectation bounds the worth from above, and by D(λ) that of every way to complete
    the first positions of a slate: the search tries candidates in the order of their scores at λ,
    and leaves a branch when that bound does not beat the best slate. It looks at
    `settings.max_num_steps` branches at most; if it gets through them all, the slate is optimal.
    """
    relaxed = solution_at(run(request, settings), 0)
    num_limits = request.limits.shape[1]
    num_rows = num_limits + int(np.count_nonzero(np.isfinite(request.lower_limits)))
    n, k = request.value.shape[1], request.attention.shape[1]
    room = make_room((num_rows, n, k, request.caps.shape[1], 1))
    flat = type(request)(*(array[0] for array in request))
    tree = Tree(
        prefix=np.empty((k + 1, num_rows + 2)),
        least=np.empty((num_rows, k + 1)),
        cursor=np.empty(k, np.int64),
        choice=np.empty(k, np.int64),
        taken=np.zeros(n, np.int64),
        slate=np.empty(k, np.int64),
    )
    hints = (relaxed.dual, relaxed.slates, PRICE_FACTORS)
    best, num_nodes, whole = search_slates(flat, room, hints, tree, settings.max_num_steps)
    slate = tree.slate
    status = Status.OPTIMAL if whole else Status.STOPPED
    if whole and best < BROKEN / 2.0:
        status = Status.INFEASIBLE
    return with_slate(request, relaxed, slate, (status, num_nodes))


def with_slate(request: Request, relaxed: Solution, slate: Ints, end: tuple[Status, int]) -> Solution:
    """Returns the solution that shows one slate always, where the search ended with (status, nodes)."""
    status, num_nodes = end
    weights, limits, attention = request.weights[0], request.limits[0], request.attention[0]
    use = weights[:, slate] @ attention
    lower = request.lower_limits[0] if request.lower_limits.size else np.full(use.size, -np.inf)
    room = np.minimum(limits - use, use - lower)
    violation = np.maximum(0.0, -room)
    value = float(request.value[0, slate] @ attention)
    price = request.violation_price[0] if request.violation_price.size else np.full(use.size, np.inf)
    soft = np.isfinite(price)
    objective = value - float(price[soft] @ violation[soft])
    bound = max(relaxed.upper_bound, objective)
    return replace(
        relaxed,
        status=status,
        objective=objective,
        upper_bound=objective if status is Status.OPTIMAL else bound,
        slates=slate[None],
        probabilities=np.ones(1),
        slate_value=np.array([value]),
        slate_use=use[None],
        use=use,
        slack=np.maximum(room, 0.0),
        violation=violation,
        infeasibility_proof=relaxed.infeasibility_proof if status is Status.INFEASIBLE else None,
        num_steps=relaxed.num_steps + num_nodes,
    )


@entry
def search_slates(
    request: Request,
    room: Room,
    hints: tuple[Floats, Ints, Floats],
    tree: Tree,
    max_num_nodes: int,
) -> tuple[float, int, bool]:
    """Leaves the best slate in the tree; returns its merit, the nodes seen and whether those were all.

    hints = (dual, slates to start from, factors for the dual).
    """
    w = carve(room)
    scale(request, w)
    prepare_oracle(request, w)
    read_dual(hints[0], w)
    slate, trial, use, moved = tree.slate, tree.choice, tree.prefix[0, :-2], tree.prefix[1, :-2]
    best = -np.inf
    num_starts = hints[1].shape[0]
    for start in range(num_starts + hints[2].size):
        if start < num_starts:
            for j in range(slate.size):
                trial[j] = hints[1][start, j]
        else:
            best_at(w, hints[2][start - num_starts], trial)
        reached = climb(w, trial, use, moved)
        if reached > best:
            best = reached
            for j in range(slate.size):
                slate[j] = trial[j]
    best_at(w, 1.0, trial)
    least_use(w, tree.least)
    sort_by_score(w)
    return branch(w, tree, best, max_num_nodes)


@kernel
def best_at(w: Workspace, factor: float, slate: Ints) -> None:
    """Writes the best slate at factor × dual, whose scores stay in `w.scores`."""
    for r in range(w.rows.size):
        w.point[r] = factor * w.rows[r].center
    score(w.grid[w.rows.size], w.grid, w.point, w.scores)
    find_best(w)
    for j in range(slate.size):
        slate[j] = w.slate[j]
