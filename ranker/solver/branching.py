"""Branch and bound over slates, position by position."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ranker.solver.kernel import kernel
from ranker.solver.local_search import HARD_PRICE, KEPT, merit
from ranker.solver.pricing import sift_down

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.workspace import Workspace


class Tree(NamedTuple):
    """Holds the path from the root to the node that the search is at, and the best slate so far."""

    prefix: Floats
    """`(k + 1, R + 2)`: use, worth and share of the bound of the first positions."""

    least: Floats
    """`(R, k + 1)`: use that the remaining positions make of each row at least."""

    cursor: Ints
    """`(k,)`: place in the order by score of the next candidate to try at each depth."""

    choice: Ints
    """`(k,)`: candidate at each depth."""

    taken: Ints
    """`(n,)`: 1 for the candidates of the path."""

    slate: Ints
    """`(k,)`: the best slate."""

    best: Floats
    """`(1,)`: its merit."""

    progress: Ints
    """`(3,)`: the next starting point, the depth and the nodes seen."""


NEXT_START, DEPTH, NUM_NODES = 0, 1, 2
"""Places in `Tree.progress`."""


def make_tree(num_rows: int, n: int, k: int) -> Tree:
    """Returns a search that has not begun."""
    return Tree(
        prefix=np.empty((k + 1, num_rows + 2)),
        least=np.empty((num_rows, k + 1)),
        cursor=np.empty(k, np.int64),
        choice=np.empty(k, np.int64),
        taken=np.zeros(n, np.int64),
        slate=np.empty(k, np.int64),
        best=np.full(1, -np.inf),
        progress=np.zeros(3, np.int64),
    )


@kernel
def least_use(w: Workspace, least: Floats) -> None:
    """Writes into least `(R, k + 1)` what the free positions from t on use of each row at least.

    The least use goes to the most attention: the candidates with the smallest weights, in order.
    """
    num_free = w.walk[0].num_free
    for r in range(w.rows.size):
        for i in range(w.scores.size):
            w.order[i] = i
        row = w.grid[r]
        for t in range(num_free):
            for i in range(t + 1, w.order.size):
                if row[w.order[i]] < row[w.order[t]]:
                    w.order[t], w.order[i] = w.order[i], w.order[t]
        for t in range(num_free + 1):
            least[r, t] = 0.0
            for u in range(t, num_free):
                least[r, t] += w.attention[w.free[u]] * row[w.order[u - t]]


@kernel
def sort_by_score(w: Workspace) -> None:
    """Writes all candidates into `w.order`, best first, ties by index."""
    n = w.order.size
    for i in range(n):
        w.order[i] = i
    for root in range(n // 2 - 1, -1, -1):
        sift_down(w.scores, w.order, root, n)
    for size in range(n - 1, 0, -1):
        w.order[0], w.order[size] = w.order[size], w.order[0]
        sift_down(w.scores, w.order, 0, size)
    for i in range(n // 2):
        w.order[i], w.order[n - 1 - i] = w.order[n - 1 - i], w.order[i]


@kernel
def branch(w: Workspace, tree: Tree, most_nodes: int) -> bool:
    """Searches on, depth first, from where the tree stands; says whether all nodes are seen."""
    num_free, bound = w.walk[0].num_free, w.rows.size + 1
    depth = tree.progress[DEPTH]
    for _ in range(most_nodes):
        if depth < 0 or num_free == 0:
            break
        tree.progress[NUM_NODES] += 1
        t = next_child(w, tree, depth)
        best = tree.best[0]
        if t < 0 or tree.prefix[depth, bound] + completion(w, tree, depth, t) <= best + 1e-12:
            depth -= 1
            if depth >= 0:
                release(w, tree, tree.choice[depth])
            continue
        i = w.order[t]
        tree.cursor[depth] = t + 1
        tree.choice[depth] = i
        if not extend(w, tree, depth, i):
            continue
        if depth == num_free - 1:
            tree.best[0] = keep_best(w, tree, best)
            continue
        tree.taken[i] = 1
        w.left[w.group[i]] -= 1
        depth += 1
        tree.cursor[depth] = 0
    tree.progress[DEPTH] = depth
    return bool(depth < 0 or num_free == 0)


@kernel
def release(w: Workspace, tree: Tree, i: int) -> None:
    """Takes candidate i off the path."""
    tree.taken[i] = 0
    w.left[w.group[i]] += 1


@kernel
def begin(w: Workspace, tree: Tree) -> None:
    """Writes what the pinned positions use and are worth, and the constant of the bound, λᵀg."""
    last = w.rows.size
    for r in range(last + 2):
        tree.prefix[0, r] = 0.0
    for r in range(last):
        tree.prefix[0, last + 1] += w.point[r] * w.rows[r].limit
    free = 0
    for j in range(w.slate.size):
        if free < w.walk[0].num_free and w.free[free] == j:
            free += 1
        else:
            i = w.slate[j]
            for r in range(last + 1):
                tree.prefix[0, r] += w.attention[j] * w.grid[r, i]
            tree.prefix[0, last + 1] += w.attention[j] * w.scores[i]
    for g in range(w.left.size):
        w.left[g] = w.room[g]
    tree.cursor[0] = 0


@kernel
def next_child(w: Workspace, tree: Tree, depth: int) -> int:
    """Returns the place of the best candidate that is still to be tried at this depth, or −1."""
    for t in range(tree.cursor[depth], w.order.size):
        i = w.order[t]
        if tree.taken[i] == 0 and w.left[w.group[i]] > 0:
            return t
    return -1


@kernel
def completion(w: Workspace, tree: Tree, depth: int, t: int) -> float:
    """Returns what the free positions from `depth` on can score, the candidate at place t being first."""
    num_free = w.walk[0].num_free
    total = w.attention[w.free[depth]] * w.scores[w.order[t]]
    u = depth + 1
    for place in range(w.order.size):
        if u == num_free:
            break
        i = w.order[place]
        if place != t and tree.taken[i] == 0 and w.left[w.group[i]] > 0:
            total += w.attention[w.free[u]] * w.scores[i]
            u += 1
    return float(total)


@kernel
def extend(w: Workspace, tree: Tree, depth: int, i: int) -> bool:
    """Puts candidate i at this depth; says whether the hard rows can still hold."""
    last = w.rows.size
    a = w.attention[w.free[depth]]
    for r in range(last + 1):
        tree.prefix[depth + 1, r] = tree.prefix[depth, r] + a * w.grid[r, i]
    tree.prefix[depth + 1, last + 1] = tree.prefix[depth, last + 1] + a * w.scores[i]
    for r in range(last):
        least = tree.prefix[depth + 1, r] + tree.least[r, depth + 1]
        if w.rows[r].price > HARD_PRICE and least > w.rows[r].limit + KEPT:
            return False
    return True


@kernel
def keep_best(w: Workspace, tree: Tree, best: float) -> float:
    """Keeps the slate of the path if it is better; returns the best merit."""
    last, num_free = w.rows.size, w.walk[0].num_free
    leaf = tree.prefix[num_free]
    reached = merit(w, leaf[:last], leaf[last])
    if reached <= best:
        return best
    for j in range(w.slate.size):
        tree.slate[j] = w.slate[j]
    for t in range(num_free):
        tree.slate[w.free[t]] = tree.choice[t]
    return float(reached)
