from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from ranker.solver import FREE, SlateProblem, Status, solve
from ranker.solver.certificate import certify


def random_structured(rng: np.random.Generator) -> SlateProblem:
    n, k, num_groups = 6, int(rng.integers(1, 5)), 3
    groups = rng.integers(0, num_groups, n)
    pinned = np.full(k, FREE)
    if rng.random() < 0.7:
        pinned[rng.integers(k)] = rng.integers(n)
    caps = np.maximum(
        rng.integers(0, 4, num_groups), np.bincount(groups[pinned[pinned != FREE]], minlength=3)
    )
    if np.minimum(np.bincount(groups, minlength=num_groups), caps).sum() < k:
        caps[:] = n
    weights = rng.random((2, n))
    attention = 0.7 ** np.arange(k)
    limits = weights.mean(axis=1) * attention.sum()
    return SlateProblem(rng.random(n), weights, limits, attention, groups=groups, caps=caps, pinned=pinned)


def allowed_slates(problem: SlateProblem) -> np.ndarray:
    assert problem.groups is not None
    assert problem.caps is not None
    assert problem.pinned is not None
    slates = np.array(list(itertools.permutations(range(problem.num_candidates), problem.num_positions)))
    counts = np.array([np.bincount(problem.groups[s], minlength=problem.caps.size) for s in slates])
    fits = ((problem.pinned == FREE) | (slates == problem.pinned)).all(axis=1)
    return np.asarray(slates[fits & (counts <= problem.caps).all(axis=1)])


@pytest.mark.parametrize("seed", range(120))
def test_caps_and_pins_hold_in_every_slate_and_cost_no_more_than_they_must(seed: int) -> None:
    problem = random_structured(np.random.default_rng(seed))
    solution = solve(problem)
    slates = allowed_slates(problem)
    use = problem.weights[:, slates] @ problem.attention
    value = problem.value[slates] @ problem.attention
    best = linprog(-value, A_ub=use, b_ub=problem.limits, A_eq=np.ones((1, value.size)), b_eq=[1.0])
    certificate = certify(problem, solution)
    assert certificate.not_a_mixture <= 1e-12
    if best.status == 0:
        assert solution.status is Status.OPTIMAL
        assert solution.objective == pytest.approx(-best.fun, rel=1e-9)
        assert certificate.violation <= 1e-9
    else:
        assert solution.status is Status.INFEASIBLE


def test_a_slate_that_is_pinned_throughout_is_the_answer() -> None:
    attention = np.array([1.0, 0.5])
    problem = SlateProblem(np.arange(3.0), np.empty((0, 3)), np.empty(0), attention, pinned=np.array([0, 2]))
    assert solve(problem).slates.tolist() == [[0, 2]]
