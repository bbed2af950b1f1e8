from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.solver import (
    FREE,
    Deadline,
    Mode,
    PositionedProblem,
    Settings,
    SlateBatch,
    SlateProblem,
    Solution,
    Status,
    solve,
    solve_many,
    solve_positioned,
)
from ranker.solver.certificate import certify

EVERY = Settings(mode=Mode.EVERY_SLATE)


def example(n: int = 30, num_limits: int = 4, k: int = 5, **changes: Any) -> SlateProblem:
    rng = np.random.default_rng(0)
    weights, attention = rng.random((num_limits, n)), 0.8 ** np.arange(k)
    limits = weights.mean(axis=1) * attention.sum() * 0.8
    return SlateProblem(
        **({"value": rng.random(n), "weights": weights, "limits": limits, "attention": attention} | changes)
    )


def positioned() -> PositionedProblem:
    problem = example()
    weights = problem.weights[:, :, None] * problem.attention
    return PositionedProblem(np.outer(problem.value, problem.attention), weights, problem.limits)


@pytest.mark.parametrize(
    ("structure", "free"),
    [
        ({"pinned": np.array([FREE, 7, FREE, FREE, FREE])}, {}),
        ({"groups": np.arange(30) % 2, "caps": np.array([1, 4])}, {}),
        ({}, {"limits": np.full(4, 9.0)}),
    ],
    ids=["pins", "caps", "limits"],
)
def test_a_warm_start_from_other_rules_leads_to_the_same_answer(structure: Any, free: Any) -> None:
    problem, other = example(**structure), example(**free)
    cold, warm = solve(problem), solve(problem, warm_start=solve(other))
    assert warm.objective == pytest.approx(cold.objective, rel=1e-9)
    assert warm.status is cold.status is Status.OPTIMAL
    found = certify(problem, warm)
    assert found.not_a_mixture <= 1e-12
    assert found.violation <= 1e-9


def wrong(**changes: Any) -> Solution:
    return solve(example())._replace(**changes)


WRONG_STARTS: list[tuple[Callable[[], Solution], object]] = [
    (lambda: solve(example(k=3)), (3, 4)),
    (lambda: solve(example(num_limits=2)), (5, 2)),
    (lambda: wrong(slates=np.array([[0, 1, 2, 3, 30]])), 30),
    (lambda: wrong(slates=np.array([[0, 1, 2, 3, -1]])), -1),
    (lambda: wrong(slates=[[0.0, 1.0, 2.0, 3.0, 4.0]]), [[0.0, 1.0, 2.0, 3.0, 4.0]]),
    (lambda: wrong(slates=np.array([[0, 1, 2, 3, 3]])), [0, 1, 2, 3, 3]),
    (lambda: wrong(dual=np.array([0.0, np.nan, 0.0, 0.0])), np.nan),
]


@pytest.mark.parametrize(("start", "value"), WRONG_STARTS)
def test_a_start_that_is_no_solution_of_such_a_problem_is_refused(
    start: Callable[[], Solution], value: object
) -> None:
    for attempt in (
        lambda: solve(example(), warm_start=start()),
        lambda: solve_positioned(positioned(), warm_start=start()),
    ):
        with pytest.raises(InvalidInputError) as caught:
            attempt()
        assert caught.value.field == "warm_start"
        np.testing.assert_equal(caught.value.value, value)


def test_the_search_for_one_slate_takes_no_start() -> None:
    with pytest.raises(InvalidInputError, match="warm_start"):
        solve(example(), EVERY, warm_start=solve(example()))


def test_a_deadline_that_is_no_time_is_refused() -> None:
    never = Deadline(lambda: 0.0, at=float("nan"))
    for attempt in (
        lambda: solve(example(), deadline=never),
        lambda: solve_many(SlateBatch.of([example()]), deadline=never),
        lambda: solve_positioned(positioned(), deadline=never),
    ):
        with pytest.raises(InvalidInputError, match="deadline = nan"):
            attempt()


@pytest.mark.parametrize("num_threads", [0, -1])
def test_no_threads_are_refused(num_threads: int) -> None:
    with pytest.raises(InvalidInputError, match=f"num_threads = {num_threads}"):
        solve_many(SlateBatch.of([example()]), num_threads=num_threads)


def test_a_batch_of_nothing_has_no_solutions() -> None:
    nothing = SlateBatch(np.empty((0, 3)), np.empty((0, 1, 3)), np.empty((0, 1)), np.empty((0, 2)))
    assert len(solve_many(nothing)) == 0
    assert len(solve_many(nothing, EVERY, deadline=Deadline(lambda: 0.0, at=1.0))) == 0


HUGE = [
    ({"value": np.full(30, 1.7e308)}, "value", 1.7e308),
    ({"weights": np.full((4, 30), 1e-310), "limits": np.full(4, 1e-310)}, "weights", 1e-310),
]


@pytest.mark.parametrize(("changes", "field", "number"), HUGE)
@pytest.mark.parametrize("mode", Mode)
def test_numbers_beyond_double_precision_are_refused(
    changes: Any, field: str, number: float, mode: Mode
) -> None:
    problem = example(**changes)
    for attempt in (
        lambda: solve(problem, Settings(mode=mode)),
        lambda: solve_many(SlateBatch.of([example(), problem]), Settings(mode=mode)),
    ):
        with pytest.raises(InvalidInputError) as caught:
            attempt()
        assert (caught.value.field, caught.value.value) == (field, number)


@pytest.mark.parametrize("field", ["value", "weights", "limits", "attention"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{field} = None"):
        example(**{field: None})
    arrays = {
        name: None if name == field else getattr(example(), name)[None]
        for name in ("value", "weights", "limits", "attention")
    }
    with pytest.raises(InvalidInputError, match=f"{field} = None"):
        SlateBatch(**arrays)


def test_groups_caps_and_pins_are_copied_so_that_no_later_write_goes_unchecked() -> None:
    groups, caps, pinned = np.zeros(30, np.int64), np.array([5]), np.full(5, FREE)
    problem = example(groups=groups, caps=caps, pinned=pinned)
    batch = SlateBatch.of([problem])
    before = solve(problem).objective
    groups[:], caps[:], pinned[:] = 10**6, -1, 10**6
    assert solve(problem).objective == solve_many(batch)[0].objective == before
