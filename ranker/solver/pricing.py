"""The oracle: the slate that is worth most at given prices of the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.kernel import hot_kernel, kernel
from ranker.solver.request import FREE, Request

BLOCK = 64

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints, Numbers
    from ranker.solver.workspace import Workspace


@kernel
def prepare_oracle(request: Request, w: Workspace) -> None:
    """Notes what every slate obeys, and fills a first one. A pinned candidate joins a group without room."""
    n, k, num_groups = request.value.size, request.attention.size, request.caps.size
    walk = w.walk[0]
    for j in range(k):
        w.slate[j] = FREE
    for j in range(request.pinned.size):
        w.slate[j] = request.pinned[j]
    for g in range(num_groups + 2):
        w.room[g] = n
    for g in range(num_groups):
        w.room[g] = request.caps[g]
    for i in range(n):
        w.scores[i] = 0.0
        w.group[i] = request.groups[i] if num_groups > 0 else num_groups
    walk.num_free = 0
    for j in range(k):
        if w.slate[j] == FREE:
            w.free[walk.num_free] = j
            walk.num_free += 1
        else:
            w.room[w.group[w.slate[j]]] -= 1
            w.group[w.slate[j]] = num_groups + 1
    w.room[num_groups + 1] = 0
    walk.capped = int(num_groups > 0 or walk.num_free < k)
    for t in range(walk.num_free):
        w.top[t] = t
    if walk.capped:
        select_within_caps(w, -np.inf)


@hot_kernel
def find_best(w: Workspace) -> None:
    """Leaves in `w.slate` the slate that maximises Σⱼ aⱼ sᵣ₍ⱼ₎ for the scores s.

    As a decreases, the greedy choice by s is best, under caps too: they form a partition matroid,
    and greedy is optimal for every prefix (Edmonds 1971). The worst score among the candidates of the
    last slate is a floor for those of the new one, and few reach it.
    """
    num_free = w.walk[0].num_free
    if num_free == 0:
        return
    if w.walk[0].capped:
        floor = np.inf
        for t in range(num_free):
            floor = min(floor, w.scores[w.top[t]])
        select_within_caps(w, floor)
    else:
        select_top(w)
    place_top(w)


@hot_kernel
def place_top(w: Workspace) -> None:
    """Writes the choice for the free positions into `w.slate`."""
    for t in range(w.walk[0].num_free):
        w.slate[w.free[t]] = w.top[t]


@hot_kernel
def score(value: Numbers, weights: Numbers, dual: Numbers, scores: Numbers) -> None:
    """Writes value − weightsᵀ dual into `scores`, four or five rows at a time to spare the memory."""
    q = score_first(value, weights, dual, scores)
    while q < dual.size:
        d0, d1, d2, d3 = dual[q], dual[q + 1], dual[q + 2], dual[q + 3]
        row0, row1, row2, row3 = weights[q], weights[q + 1], weights[q + 2], weights[q + 3]
        for i in range(scores.size):
            scores[i] -= d0 * row0[i] + d1 * row1[i] + d2 * row2[i] + d3 * row3[i]
        q += 4


@hot_kernel
def score_first(value: Numbers, weights: Numbers, dual: Numbers, scores: Numbers) -> int:
    """Writes value − Σ dual_q weights_q into `scores` for the first q; returns how many: fours are left."""
    q = dual.size % 4
    if q == 1 and dual.size > 1:
        for i in range(scores.size):
            pairs = dual[0] * weights[0, i] + dual[1] * weights[1, i]
            pairs += dual[2] * weights[2, i] + dual[3] * weights[3, i]
            scores[i] = value[i] - (pairs + dual[4] * weights[4, i])
        return 5
    if q == 0:
        for i in range(scores.size):
            scores[i] = value[i]
    elif q == 1:
        for i in range(scores.size):
            scores[i] = value[i] - dual[0] * weights[0, i]
    elif q == 2:
        for i in range(scores.size):
            scores[i] = value[i] - (dual[0] * weights[0, i] + dual[1] * weights[1, i])
    else:
        for i in range(scores.size):
            pairs = dual[0] * weights[0, i] + dual[1] * weights[1, i]
            scores[i] = value[i] - (pairs + dual[2] * weights[2, i])
    return q


@hot_kernel
def select_top(w: Workspace) -> None:
    """Replaces `w.top` by the candidates with the highest scores, in order.

    Starts from the last choice: it is nearly in order, and hardly anybody outside reaches its worst score.
    Its scores are out of the way meanwhile, so that whole blocks can be passed over without a branch.
    """
    num_free, scores = w.walk[0].num_free, w.scores
    for t in range(num_free):
        i = w.top[t]
        w.old[t] = i
        w.old_scores[t] = scores[i]
        insert(w, i, scores[i], t)
    for t in range(num_free):
        scores[w.old[t]] = -np.inf
    floor = w.top_scores[num_free - 1]
    num_whole = scores.size // BLOCK
    for block in range(num_whole + 1):
        start = block * BLOCK
        if block < num_whole and not any_above(scores[start : start + BLOCK], floor):
            continue
        for i in range(start, min(start + BLOCK, scores.size)):
            if scores[i] > floor:
                insert(w, i, scores[i], num_free - 1)
                floor = w.top_scores[num_free - 1]
    for t in range(num_free):
        scores[w.old[t]] = w.old_scores[t]


@hot_kernel
def any_above(scores: Floats, floor: float) -> bool:
    """Says whether one of BLOCK scores is above the floor: counts, without a branch."""
    hits = 0
    for i in range(BLOCK):
        if scores[i] > floor:
            hits += 1
    return hits > 0


@hot_kernel
def insert(w: Workspace, i: int, s: float, t: int) -> None:
    """Puts candidate i with score s in its place among the first t of `w.top`; what was at t drops out."""
    while t > 0 and w.top_scores[t - 1] < s:
        w.top_scores[t] = w.top_scores[t - 1]
        w.top[t] = w.top[t - 1]
        t -= 1
    w.top_scores[t] = s
    w.top[t] = i


@kernel
def select_within_caps(w: Workspace, floor: float) -> None:
    """Replaces `w.top` by the greedy choice under the caps; no candidate of it is below `floor`."""
    size = 0
    for i in range(w.scores.size):
        if w.scores[i] >= floor:
            w.order[size] = i
            size += 1
    for root in range(size // 2 - 1, -1, -1):
        sift_down(w.scores, w.order, root, size)
    for g in range(w.left.size):
        w.left[g] = w.room[g]
    count = 0
    while count < w.walk[0].num_free and size > 0:
        i = w.order[0]
        size -= 1
        w.order[0] = w.order[size]
        sift_down(w.scores, w.order, 0, size)
        if w.left[w.group[i]] > 0:
            w.left[w.group[i]] -= 1
            w.top[count] = i
            count += 1


@kernel
def sift_down(scores: Floats, heap: Ints, root: int, size: int) -> None:
    """Restores the heap, whose head is the highest score or, among equals, the lowest index."""
    item = heap[root]
    child = 2 * root + 1
    while child < size:
        if child + 1 < size and comes_first(scores, heap[child + 1], heap[child]):
            child += 1
        if comes_first(scores, item, heap[child]):
            break
        heap[root] = heap[child]
        root = child
        child = 2 * root + 1
    heap[root] = item


@kernel
def comes_first(scores: Floats, i: int, other: int) -> bool:
    """Says whether candidate i ranks before the other."""
    return bool(scores[i] > scores[other] or (scores[i] == scores[other] and i < other))
