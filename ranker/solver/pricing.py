"""The oracle: the slate that is worth most at given prices of the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.kernel import kernel
from ranker.solver.request import FREE, Request

BLOCK = 64

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
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


@kernel
def find_best(w: Workspace) -> None:
    """Leaves in `w.slate` the slate that maximises Σⱼ aⱼ sᵣ₍ⱼ₎ for the scores s.

    As a decreases, the greedy choice by s is best, under caps too: they form a partition matroid,
    and greedy is optimal for every prefix (Edmonds 1971). Ties go to the lower index. The worst score
    among the candidates of the last slate is a floor for those of the new one, and few reach it.
    """
    num_free = w.walk[0].num_free
    if num_free == 0:
        return
    floor = np.inf
    for t in range(num_free):
        floor = min(floor, w.scores[w.top[t]])
    if w.walk[0].capped:
        select_within_caps(w, floor)
    else:
        select_top(w.scores, floor, w.top[:num_free], w.top_scores)
    for t in range(num_free):
        w.slate[w.free[t]] = w.top[t]


@kernel
def score(value: Floats, weights: Floats, dual: Floats, scores: Floats) -> None:
    """Writes value − weightsᵀ dual into `scores`, four rows at a time to spare the memory."""
    q = 0
    for i in range(scores.size):
        scores[i] = value[i]
    while q + 4 <= dual.size:
        d0, d1, d2, d3 = dual[q], dual[q + 1], dual[q + 2], dual[q + 3]
        row0, row1, row2, row3 = weights[q], weights[q + 1], weights[q + 2], weights[q + 3]
        for i in range(scores.size):
            scores[i] -= d0 * row0[i] + d1 * row1[i] + d2 * row2[i] + d3 * row3[i]
        q += 4
    while q < dual.size:
        d0, row0 = dual[q], weights[q]
        for i in range(scores.size):
            scores[i] -= d0 * row0[i]
        q += 1


@kernel
def select_top(scores: Floats, floor: float, top: Ints, top_scores: Floats) -> None:
    """Replaces `top` by the candidates with the highest scores, in order; none of them is below `floor`.

    Whole blocks without a score above the floor are passed over: to count takes no branches.
    """
    floor = np.nextafter(floor, -np.inf)
    count, num_whole = 0, scores.size // BLOCK
    for block in range(num_whole + 1):
        start = block * BLOCK
        if block < num_whole:
            hits = 0
            for i in range(BLOCK):
                if scores[start + i] > floor:
                    hits += 1
            if hits == 0:
                continue
        for i in range(start, min(start + BLOCK, scores.size)):
            if scores[i] > floor:
                floor = insert(i, scores[i], count, top, top_scores, floor)
                count += 1


@kernel
def insert(i: int, s: float, count: int, top: Ints, top_scores: Floats, floor: float) -> float:
    """Puts candidate i with score s in its place among the `count` best so far; returns the new floor."""
    last = top.size - 1
    t = min(count, last)
    while t > 0 and top_scores[t - 1] < s:
        top_scores[t] = top_scores[t - 1]
        top[t] = top[t - 1]
        t -= 1
    top_scores[t] = s
    top[t] = i
    return float(top_scores[last] if count >= last else floor)


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
