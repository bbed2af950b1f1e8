"""One slate that keeps every limit by itself: the slates of the mixture, local search, branch and bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.branching import (
    DEPTH,
    NEXT_START,
    NUM_NODES,
    begin,
    branch,
    least_use,
    make_tree,
    sort_by_score,
)
from ranker.solver.kernel import entry, kernel
from ranker.solver.local_search import BROKEN, climb
from ranker.solver.pricing import find_best, prepare_oracle, score
from ranker.solver.request import request_at
from ranker.solver.rounds import solve_in_rounds
from ranker.solver.scaling import read_dual, scale
from ranker.solver.settings import Deadline
from ranker.solver.solution import Solution, Status
from ranker.solver.workspace import carve, make_room

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.branching import Tree
    from ranker.solver.request import Request
    from ranker.solver.settings import Settings
    from ranker.solver.workspace import Room, Workspace

PRICE_FACTORS = np.array([1.0, 1.05, 1.2, 1.5, 2.0, 4.0, 16.0, 0.5, 0.0])
"""Multiples of the dual whose best slates are starting points too."""

ROUND_WORK = 500_000
"""Additions, about half a millisecond of them, between two looks at the clock."""


def solve_every_slate(request: Request, settings: Settings, deadline: Deadline | None) -> Solution:
    """Returns one slate within all limits, with a bound of what any such slate is worth.

    The mixture in expectation bounds the worth from above, and by D(λ) that of every way to complete
    the first positions of a slate: the search tries candidates in the order of their scores at λ,
    and leaves a branch when that bound does not beat the best slate. It looks at
    `settings.max_num_steps` branches at most; if it gets through them all, the slate is optimal. With
    a deadline the mixture has half of the time that is left.
    """
    half = deadline and Deadline(deadline.clock, deadline.at - 0.5 * deadline.seconds_left())
    relaxed = solve_in_rounds(request, settings, None, half)
    num_limits = request.limits.shape[1]
    num_rows = num_limits + int(np.count_nonzero(np.isfinite(request.lower_limits)))
    n, k = request.value.shape[1], request.attention.shape[1]
    room = make_room((num_rows, n, k, request.caps.shape[1], 1))
    tree = make_tree(num_rows, n, k)
    hints = (relaxed.dual, relaxed.slates, PRICE_FACTORS)
    pace = 2**62, settings.max_num_steps
    if deadline is not None:
        pace = 1 + ROUND_WORK // (k * (n + k) * (num_rows + 1)), 1 + ROUND_WORK // (n + k + num_rows)
    fresh, whole = True, False
    while not whole and tree.progress[NUM_NODES] < settings.max_num_steps:
        nodes = min(pace[1], settings.max_num_steps - int(tree.progress[NUM_NODES]))
        whole = search_slates(request, room, hints, tree, (fresh, pace[0], nodes))
        fresh = False
        if deadline is not None and deadline.seconds_left() <= 0.0:
            break
    status = Status.OPTIMAL if whole else Status.STOPPED
    if whole and tree.best[0] < BROKEN / 2.0:
        status = Status.INFEASIBLE
    return with_slate(request, relaxed, tree.slate, (status, int(tree.progress[NUM_NODES])))


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
    return relaxed._replace(
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
    batch: Request,
    room: Room,
    hints: tuple[Floats, Ints, Floats],
    tree: Tree,
    pace: tuple[bool, int, int],
) -> bool:
    """Searches on for the only problem of the batch from where the tree stands; says whether all is seen.

    hints = (dual, slates to start from, factors for the dual); pace = (whether to begin, most moves of
    the local search, most nodes).
    """
    fresh, most_moves, most_nodes = pace
    request, w = request_at(batch, 0), carve(room)
    num_starts = hints[1].shape[0] + hints[2].size
    if fresh:
        scale(request, w)
        prepare_oracle(request, w)
        read_dual(hints[0], w)
        load_start(w, hints, tree)
    while tree.progress[NEXT_START] < num_starts:
        if not improve(w, tree, most_moves):
            return False
        tree.progress[NEXT_START] += 1
        if tree.progress[NEXT_START] < num_starts:
            load_start(w, hints, tree)
        else:
            best_at(w, 1.0, tree.choice)
            least_use(w, tree.least)
            sort_by_score(w)
            begin(w, tree)
            tree.progress[DEPTH] = 0
        if most_moves < 2**62:
            return False
    return branch(w, tree, most_nodes)


@kernel
def load_start(w: Workspace, hints: tuple[Floats, Ints, Floats], tree: Tree) -> None:
    """Writes the next starting point where `improve` works on it."""
    start, num_slates = tree.progress[NEXT_START], hints[1].shape[0]
    if start < num_slates:
        for j in range(tree.choice.size):
            tree.choice[j] = hints[1][start, j]
    else:
        best_at(w, hints[2][start - num_slates], tree.choice)


@kernel
def improve(w: Workspace, tree: Tree, most_moves: int) -> bool:
    """Climbs on and keeps the slate if it is the best so far; says whether nothing improves it further."""
    reached, done = climb(w, tree.choice, tree.prefix[0, :-2], tree.prefix[1, :-2], most_moves)
    if reached > tree.best[0]:
        tree.best[0] = reached
        for j in range(tree.slate.size):
            tree.slate[j] = tree.choice[j]
    return done


@kernel
def best_at(w: Workspace, factor: float, slate: Ints) -> None:
    """Writes the best slate at factor × dual, whose scores stay in `w.scores`."""
    for r in range(w.rows.size):
        w.point[r] = factor * w.rows[r].center
    score(w.grid[w.rows.size], w.grid, w.point, w.scores)
    find_best(w)
    for j in range(slate.size):
        slate[j] = w.slate[j]
