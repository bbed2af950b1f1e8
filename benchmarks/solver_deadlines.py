"""How good is the answer at a deadline? Ours, the sort at our λ, subgradients told |λ*|."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.solver_dual_methods import Instance, instance, sorted_slate, subgradient
from benchmarks.solver_served import solved
from ranker.solver import Deadline, solve

if TYPE_CHECKING:
    from benchmarks.solver_instances import Cell
    from ranker.solver import SlateProblem, Solution

DEADLINES = (20e-6, 50e-6, 100e-6, 500e-6, 1e-3, 5e-3)
WITHIN = 1e-9


def quality(family: str, cell: Cell, count: int) -> list[dict[str, Any]]:
    """Returns a row a deadline: median loss and violation of each method, and what time ours really took.

    Loss is (optimum − value) / |optimum|, violation the largest over the limits, each over max|M| Σa; a loss
    may be negative where a violation buys it.
    """
    pairs = solved(family, cell, count)
    rows = []
    for seconds in DEADLINES:
        outcomes = [outcome(problem, best, seconds) for problem, best in pairs]
        row: dict[str, Any] = {"family": family, "cell": cell, "deadline_us": round(1e6 * seconds)}
        for name in outcomes[0]:
            row[name] = summary([each[name] for each in outcomes])
        rows.append(row)
    return rows


def summary(numbers: list[tuple[float, float]] | list[float]) -> dict[str, float]:
    """Returns median loss and violation and the share within the limits, or median and p99 of seconds."""
    array = np.array(numbers)
    if array.ndim == 1:
        return {"median_us": 1e6 * float(np.median(array)), "p99_us": 1e6 * float(np.quantile(array, 0.99))}
    loss, violation = np.median(array, axis=0)
    return {
        "loss": float(loss),
        "violation": float(violation),
        "within": float((array[:, 1] <= WITHIN).mean()),
    }


def outcome(problem: SlateProblem, best: Solution, seconds: float) -> dict[str, Any]:
    """Returns (loss, violation) of each method after so many seconds on one problem."""
    p = instance(problem)
    start = time.perf_counter()
    own = solve(problem, deadline=Deadline(time.perf_counter, start + seconds))
    taken = time.perf_counter() - start
    distance = float(np.linalg.norm(best.dual))
    _, value, use = subgradient(p, distance, affordable_steps(p, distance, seconds))
    sort_value, sort_use = sorted_slate(p, own.dual)
    return {
        "ours": measured(problem, best, float(own.probabilities @ own.slate_value), own.use),
        "sort_at_our_dual": measured(problem, best, sort_value, sort_use),
        "subgradient": measured(problem, best, value, use),
        "ours_took": taken,
    }


def affordable_steps(p: Instance, distance: float, seconds: float, trial: int = 200) -> int:
    """Returns how many subgradient steps take so many seconds."""
    times = []
    for _ in range(2):
        start = time.thread_time()
        subgradient(p, distance, trial)
        times.append(time.thread_time() - start)
    return max(int(seconds / (min(times) / trial)), 1)


def measured(problem: SlateProblem, best: Solution, value: float, use: np.ndarray) -> tuple[float, float]:
    """Returns loss and violation."""
    unit = np.abs(problem.weights).max(axis=1) * problem.attention.sum()
    violation = np.maximum((use - problem.limits) / unit, 0.0).max(initial=0.0)
    return (best.objective - value) / abs(best.objective), float(violation)
