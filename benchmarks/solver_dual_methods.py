"""Methods that only know the dual, compiled like the solver: rivals in benchmarks, no part of the package.

Patent note: `walk_coordinates` stands in for methods that evaluate neighbours of a point of the dual and move
to the best, as US 12,001,484 B2 claims (NodeHopper, KDD 2020). It is our reconstruction from the published
claim, with an exact line search for each of the 2K neighbours; it is not their program. The package has no
such walk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.solver import SlateProblem
    from ranker.solver.arrays import Floats, Ints

F = TypeVar("F", bound="Callable[..., Any]")


def compiled(function: F) -> F:
    """Compiles a function."""
    return cast("F", cast("Any", njit)(error_model="numpy", nogil=True)(function))


class Instance(NamedTuple):
    """Holds max cᵀx, Mx ≤ b: the arrays of a SlateProblem."""

    value: Floats
    weights: Floats
    limits: Floats
    attention: Floats


def instance(problem: SlateProblem) -> Instance:
    """Returns the arrays of a problem that has upper limits only."""
    return Instance(problem.value, problem.weights, problem.limits, problem.attention)


@compiled
def evaluate(p: Instance, dual: Floats, slate: Ints, use: Floats) -> float:
    """Returns D(λ), and writes the best slate at λ and its use."""
    k = p.attention.size
    scores = p.value.copy()
    for q in range(dual.size):
        if dual[q] != 0.0:
            scores -= dual[q] * p.weights[q]
    top = np.empty(k)
    count = 0
    for i in range(scores.size):
        s = scores[i]
        if count == k and s <= top[k - 1]:
            continue
        t = min(count, k - 1)
        while t > 0 and top[t - 1] < s:
            top[t] = top[t - 1]
            slate[t] = slate[t - 1]
            t -= 1
        top[t] = s
        slate[t] = i
        count = min(count + 1, k)
    total = 0.0
    for j in range(k):
        total += p.attention[j] * top[j]
    for q in range(dual.size):
        use[q] = 0.0
        for j in range(k):
            use[q] += p.attention[j] * p.weights[q, slate[j]]
        total += dual[q] * p.limits[q]
    return total


@compiled
def subgradient(p: Instance, distance: float, num_steps: int) -> tuple[float, float, Floats]:
    """Walks so many steps from λ = 0, told the distance |λ*|; returns best bound, mean value and mean use.

    λ ← (λ − t (b − use))₊ with t = |λ*| / (|b − use| √k) at step k; the mean is weighted by t k², as later
    slates are better (Gustavsson, Patriksson and Strömberg 2015).
    """
    dual, use, mean_use = np.zeros(p.limits.size), np.zeros(p.limits.size), np.zeros(p.limits.size)
    slate = np.zeros(p.attention.size, np.int64)
    best, mean_value, total = np.inf, 0.0, 0.0
    for k in range(1, num_steps + 1):
        best = min(best, evaluate(p, dual, slate, use))
        gradient = p.limits - use
        step = distance / max(np.sqrt((gradient * gradient).sum() * k), 1e-300)
        weight = (step if step > 0.0 else 1.0) * (k / num_steps) ** 2
        for j in range(slate.size):
            mean_value += weight * p.attention[j] * p.value[slate[j]]
        mean_use += weight * use
        total += weight
        dual = np.maximum(dual - step * gradient, 0.0)
    return best, mean_value / total, mean_use / total


@compiled
def search_line(p: Instance, dual: Floats, q: int, most: float) -> tuple[float, int]:
    """Minimises D along coordinate q over [0, most], exactly; leaves λ there, returns D and evaluations."""
    slate, use = np.zeros(p.attention.size, np.int64), np.zeros(dual.size)
    dual[q] = 0.0
    low, low_bound = 0.0, evaluate(p, dual, slate, use)
    low_slope = p.limits[q] - use[q]
    if low_slope >= 0.0:
        return low_bound, 1
    dual[q] = most
    high, high_bound = most, evaluate(p, dual, slate, use)
    high_slope = p.limits[q] - use[q]
    count = 2
    if high_slope <= 0.0:
        return high_bound, count
    while count < 200:
        middle = (low_bound - high_bound - low_slope * low + high_slope * high) / (high_slope - low_slope)
        predicted = low_bound + low_slope * (middle - low)
        dual[q] = middle
        bound = evaluate(p, dual, slate, use)
        count += 1
        slope = p.limits[q] - use[q]
        if bound <= predicted + 1e-13 * abs(predicted):
            return bound, count
        if slope < 0.0:
            low, low_bound, low_slope = middle, bound, slope
        else:
            high, high_bound, high_slope = middle, bound, slope
    return bound, count


@compiled
def walk_coordinates(p: Instance, most: float) -> tuple[float, int]:
    """Moves to the best of the exact minima along the 2K coordinate directions while that improves D.

    Returns the D where it stops, which need not be optimal, and how often D was evaluated.
    """
    dual = np.zeros(p.limits.size)
    slate, use = np.zeros(p.attention.size, np.int64), np.zeros(dual.size)
    best, count = evaluate(p, dual, slate, use), 1
    for _ in range(1000):
        chosen, chosen_bound, chosen_at = -1, best - 1e-12 * abs(best), 0.0
        for q in range(dual.size):
            kept = dual[q]
            bound, evaluations = search_line(p, dual, q, most)
            count += evaluations
            if bound < chosen_bound:
                chosen, chosen_bound, chosen_at = q, bound, dual[q]
            dual[q] = kept
        if chosen < 0:
            break
        dual[chosen] = chosen_at
        best = chosen_bound
    return best, count


def sorted_slate(p: Instance, dual: Floats) -> tuple[float, Floats]:
    """Returns value and use of the slate that a sort at λ shows."""
    slate, use = np.zeros(p.attention.size, np.int64), np.zeros(dual.size)
    evaluate(p, dual, slate, use)
    return float(p.value[slate] @ p.attention), use
