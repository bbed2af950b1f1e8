"""What do methods serve that stop at the dual? And what does ours serve, drawn many times?

The sort at the optimal λ, the same at (1 + ε)λ with the ε that kept most training slates within their limits
(Tkachenko, Dhaouadi and Jedidi, arXiv 2202.07088; they predict λ, here it is the optimum), Kelley's method
without smoothing, and a walk along coordinates of the dual.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.stats import chisquare

from benchmarks.solver_dual_methods import instance, sorted_slate, walk_coordinates
from benchmarks.solver_instances import Cell, problems
from ranker.solver import Settings, SlateProblem, Solution, Status, draw_slate, solve

EPSILONS = np.array([0.0, *(i * 10.0**-j for j in (3, 2, 1) for i in range(1, 10)), 1.0])
NUM_TRAINING = 15
TOLERANCE = 1e-9
KELLEY = Settings(smoothing=0.0)


def solved(family: str, cell: Cell, count: int) -> list[tuple[SlateProblem, Solution]]:
    """Returns the problems among the first `count` that have a mixture within the limits, and it."""
    pairs = [(problem, solve(problem)) for problem in problems(family, cell, count)]
    return [(p, s) for p, s in pairs if s.status is Status.OPTIMAL and s.objective != 0.0]


def is_within(problem: SlateProblem, use: np.ndarray) -> bool:
    """Says whether a use is within all limits."""
    unit = np.abs(problem.weights).max(axis=1) * problem.attention.sum()
    return bool((use - problem.limits <= TOLERANCE * unit).all())


def served_by_sorting(family: str, cell: Cell, count: int) -> dict[str, Any]:
    """Returns the share of slates within their limits, and the loss, of λ-sort and of its (1 + ε) rule."""
    pairs = solved(family, cell, count + NUM_TRAINING)
    rows = np.array([[sort_outcome(p, s, e) for e in EPSILONS] for p, s in pairs])
    shown = [s.probabilities @ [is_within(p, use) for use in s.slate_use] for p, s in pairs]
    if len(rows) <= NUM_TRAINING:
        return {"family": family, "cell": cell, "solved": len(rows)}
    chosen = int(rows[:NUM_TRAINING, :, 0].mean(axis=0).argmax())
    test = rows[NUM_TRAINING:]
    within = test[:, chosen, 0] > 0.0
    return {
        "family": family,
        "cell": cell,
        "solved": len(test),
        "sort_within": float(test[:, 0, 0].mean()),
        "sort_violation": float(np.median(test[:, 0, 2])),
        "mixture_slates_within": float(np.mean(shown)),
        "rule_epsilon": float(EPSILONS[chosen]),
        "rule_within": float(within.mean()),
        "rule_loss": float(np.median(test[within, chosen, 1])) if within.any() else None,
    }


def sort_outcome(problem: SlateProblem, solution: Solution, epsilon: float) -> tuple[float, float, float]:
    """Returns whether the sort at (1 + ε)λ is within the limits, its relative loss, and its worst violation.

    The violation of a limit is relative to the limit.
    """
    value, use = sorted_slate(instance(problem), (1.0 + epsilon) * solution.dual)
    loss = (solution.objective - value) / abs(solution.objective)
    violation = ((use - problem.limits) / np.abs(problem.limits)).max(initial=0.0)
    return float(is_within(problem, use)), loss, float(violation)


def dual_walks(family: str, cell: Cell, count: int) -> dict[str, Any]:
    """Returns time and steps of Kelley's method over ours, and where the walk along coordinates is stuck."""
    kelley, steps, stuck, gaps, evaluations = [], [], [], [], []
    for problem, solution in solved(family, cell, count):
        own, _ = timed(problem, Settings())
        plain, plain_steps = timed(problem, KELLEY)
        kelley.append(plain / own)
        steps.append(plain_steps / solution.num_steps)
        unit = np.abs(problem.value).max() / np.abs(problem.weights).max(axis=1).min()
        bound, count_of_walk = walk_coordinates(instance(problem), 1e3 * unit)
        gap = (bound - solution.objective) / abs(solution.objective)
        stuck.append(gap > 1e-8)
        gaps.append(gap)
        evaluations.append(count_of_walk / solution.num_steps)
    if not kelley:
        return {"family": family, "cell": cell, "solved": 0}
    return {
        "family": family,
        "cell": cell,
        "solved": len(kelley),
        "kelley_time_ratio": float(np.median(kelley)),
        "kelley_step_ratio": float(np.median(steps)),
        "coordinates_stuck": float(np.mean(stuck)),
        "coordinates_worst_gap": float(np.max(gaps)),
        "coordinates_evaluation_ratio": float(np.median(evaluations)),
    }


def timed(problem: SlateProblem, settings: Settings) -> tuple[float, int]:
    """Returns the least CPU seconds of three calls, and the steps."""
    seconds = []
    for _ in range(3):
        start = time.thread_time()
        solution = solve(problem, settings)
        seconds.append(time.thread_time() - start)
    return min(seconds), solution.num_steps


def drawn(family: str, cell: Cell, count: int, num_draws: int) -> dict[str, Any]:
    """Draws from mixtures: least p-value of all χ² tests × their number, and use beside Hoeffding's bound."""
    rng, p_values, share_of_bound = np.random.default_rng(0), [], 0.0
    for problem, solution in solved(family, cell, count):
        picks = np.array([draw_slate(solution, float(u)) for u in rng.random(num_draws)])
        n = problem.num_candidates
        columns = [(picks, np.arange(len(solution.slates)), len(solution.slates))]
        columns += [(solution.slates[picks, j], solution.slates[:, j], n) for j in range(cell[2])]
        for shown, labels, size in columns:
            expected = np.bincount(labels, solution.probabilities, size) * num_draws
            seen = expected >= 5.0
            if seen.sum() > 1:
                observed = np.bincount(shown, minlength=size)[seen]
                scale = observed.sum() / expected[seen].sum()
                p_values.append(float(chisquare(observed, expected[seen] * scale).pvalue))
        spread = np.ptp(solution.slate_use, axis=0)
        # Pr(|mean − use| > t) ≤ 2 exp(−2 N t² / R²) = 1e-6 at this t.
        bound = spread * np.sqrt(np.log(2e6) / (2.0 * num_draws))
        error = np.abs(solution.slate_use[picks].mean(axis=0) - solution.use)
        share_of_bound = max(share_of_bound, float((error / np.where(spread > 0, bound, np.inf)).max()))
    return {
        "num_draws": num_draws,
        "num_tests": len(p_values),
        "least_p_times_tests": min(p_values) * len(p_values),
        "use_error_over_hoeffding": share_of_bound,
    }
