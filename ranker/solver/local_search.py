"""One slate that keeps the limits by itself: improvement by single replacements and swaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranker.solver.kernel import kernel

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.workspace import Workspace

HARD_PRICE = 1e7
KEPT = 1e-10
BROKEN = -1e6


@kernel
def merit(w: Workspace, use: Floats, worth: float) -> float:
    """Returns worth − priced violation; where a hard row breaks, BROKEN or less, falling with that."""
    broken = 0.0
    for r in range(use.size):
        row = w.rows[r]
        excess = use[r] - row.limit
        if row.equality:
            excess = abs(excess)
        if excess > KEPT:
            if row.price > HARD_PRICE:
                broken += excess
            else:
                worth -= row.price * excess
    return worth if broken == 0.0 else BROKEN * (1.0 + broken) + worth


@kernel
def measure(w: Workspace, slate: Ints, use: Floats) -> float:
    """Writes the use `(R,)` of a slate; returns its merit."""
    worth = 0.0
    for j in range(slate.size):
        worth += w.attention[j] * w.grid[use.size, slate[j]]
    for r in range(use.size):
        use[r] = 0.0
        for j in range(slate.size):
            use[r] += w.attention[j] * w.grid[r, slate[j]]
    return merit(w, use, worth)


@kernel
def climb(w: Workspace, slate: Ints, use: Floats, moved: Floats, most_moves: int) -> tuple[float, bool]:
    """Makes the best replacement or swap until none helps; returns the merit, and whether that is so."""
    best = measure(w, slate, use)
    for _ in range(most_moves):
        count_room(w, slate)
        gain, place, other = best_move(w, slate, use, moved, best)
        if gain <= 1e-12:
            return best, True
        if other < 0:
            slate[place] = -1 - other
        else:
            slate[place], slate[other] = slate[other], slate[place]
        best = measure(w, slate, use)
    return best, False


@kernel
def count_room(w: Workspace, slate: Ints) -> None:
    """Writes into `w.left` what room the free positions of a slate leave each group."""
    for g in range(w.left.size):
        w.left[g] = w.room[g]
    for t in range(w.walk[0].num_free):
        w.left[w.group[slate[w.free[t]]]] -= 1
    for i in range(w.order.size):
        w.order[i] = 0
    for i in slate:
        w.order[i] = 1


@kernel
def best_move(w: Workspace, slate: Ints, use: Floats, moved: Floats, now: float) -> tuple[float, int, int]:
    """Returns gain, position and other position (or −1 − candidate) of the best move from merit `now`."""
    gain, best_place, best_other = 0.0, 0, 0
    num_free = w.walk[0].num_free
    for t in range(num_free):
        j = w.free[t]
        group = w.group[slate[j]]
        for u in range(t + 1, num_free):
            change = move(
                w, slate, use, moved, (j, slate[w.free[u]], w.attention[j] - w.attention[w.free[u]])
            )
            if change - now > gain:
                gain, best_place, best_other = change - now, j, w.free[u]
        for i in range(w.group.size):
            if w.order[i] == 0 and w.left[w.group[i]] + int(w.group[i] == group) > 0:
                change = move(w, slate, use, moved, (j, i, w.attention[j]))
                if change - now > gain:
                    gain, best_place, best_other = change - now, j, -1 - i
    return gain, best_place, best_other


@kernel
def move(w: Workspace, slate: Ints, use: Floats, moved: Floats, change: tuple[int, int, float]) -> float:
    """Returns the merit once position j shows candidate i, change = (j, i, attention that this shifts)."""
    j, i, shift = change
    out = slate[j]
    for r in range(use.size):
        moved[r] = use[r] + shift * (w.grid[r, i] - w.grid[r, out])
    worth = 0.0
    for p in range(slate.size):
        worth += w.attention[p] * w.grid[use.size, slate[p]]
    worth += shift * (w.grid[use.size, i] - w.grid[use.size, out])
    return merit(w, moved, worth)
