from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ranker.solver import SlateProblem
from ranker.solver.kernel import entry
from ranker.solver.pricing import place_top, prepare_oracle
from ranker.solver.request import Request, request_at
from ranker.solver.rough import rough_margin, select_top_roughly
from ranker.solver.scaling import scale
from ranker.solver.workspace import FEWEST, carve, make_room

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints, Singles
    from ranker.solver.workspace import Room


@entry
def pick(batch: Request, room: Room, point: Floats, slate: Ints, rough: Singles) -> float:
    """Writes the slate at `point` and the rough scores of those that it does not hold; returns the margin."""
    request, w = request_at(batch, 0), carve(room)
    scale(request, w)
    prepare_oracle(request, w)
    for r in range(point.size):
        w.point[r] = point[r]
    margin = rough_margin(w)
    select_top_roughly(w, margin)
    place_top(w)
    for j in range(slate.size):
        slate[j] = w.slate[j]
    for i in range(rough.size):
        rough[i] = w.rough_scores[i]
    return margin


def picked(problem: SlateProblem, point: Floats) -> tuple[Ints, Singles, float]:
    """Returns the slate, the rough scores and their margin."""
    n, num_limits, k = problem.num_candidates, problem.num_constraints, problem.num_positions
    slate, rough = np.empty(k, np.int64), np.empty(n, np.float32)
    margin = pick(problem.request, make_room((num_limits, n, k, 0, 8)), point, slate, rough)
    return slate, rough, margin


def problem_of(value: Floats, weights: Floats, k: int) -> SlateProblem:
    """Returns a problem whose scaled form is as given: |value| and each |row| are 1 at most, and reach it."""
    return SlateProblem(value, weights, np.ones(len(weights)), np.ones(k))


@pytest.mark.parametrize("seed", range(20))
def test_candidates_that_single_precision_cannot_tell_apart_are_ranked_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, num_limits, k = FEWEST + seed, 1 + seed % 7, 1 + seed
    weights = np.ones((num_limits, n))
    value = 0.9 + 1e-11 * rng.permutation(n)
    value[rng.integers(n)] = 1.0
    slate, _, _ = picked(problem_of(value, weights, k), rng.random(num_limits))
    np.testing.assert_array_equal(slate, np.argsort(-value)[:k])


@pytest.mark.parametrize("size", [0.0, 1.0, 10.0])
def test_rough_scores_are_off_by_less_than_the_margin(size: float) -> None:
    rng = np.random.default_rng(0)
    for num_limits in (1, 4, 5, 20):
        value, weights = rng.uniform(-1.0, 1.0, 1000), rng.uniform(-1.0, 1.0, (num_limits, 1000))
        value[0] = weights[:, 0] = 1.0
        point = rng.uniform(0.0, size / num_limits, num_limits)
        slate, rough, margin = picked(problem_of(value, weights, 10), point)
        exact = value - point @ weights
        np.testing.assert_array_equal(slate, np.argsort(-exact)[:10])
        kept = np.isfinite(rough)
        error = np.abs(rough[kept] - exact[kept]).max()
        assert 0.0 < error < margin < np.inf


def test_high_prices_are_left_to_double_precision() -> None:
    value = np.ones(FEWEST)
    _, _, margin = picked(problem_of(value, np.ones((1, FEWEST)), 1), np.array([1e4]))
    assert margin == np.inf
