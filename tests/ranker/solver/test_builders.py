from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.solver import PositionedProblem, SlateProblem, Status, builders, solve, solve_positioned

ATTENTION = np.array([1.0, 0.6, 0.4])
VALUE = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
OWN = np.array([False, False, False, True, True])


def test_each_limit_holds_in_its_own_words() -> None:
    price = np.array([9.0, 8.0, 7.0, 1.0, 2.0])
    limits = [
        builders.attention_share(OWN, ATTENTION, at_least=0.3),
        builders.average(price, ATTENTION, at_most=6.0),
        builders.exposure(VALUE == 5.0, at_most=0.7),
    ]
    solution = solve(SlateProblem(VALUE, attention=ATTENTION, **builders.stack(limits, 5)._asdict()))
    exposure = np.zeros(5)
    for slate, probability in zip(solution.slates, solution.probabilities, strict=True):
        exposure[slate] += probability * ATTENTION
    assert solution.status is Status.OPTIMAL
    assert exposure[OWN].sum() / ATTENTION.sum() >= 0.3 - 1e-12
    assert exposure @ price / ATTENTION.sum() <= 6.0 + 1e-12
    assert exposure[0] <= 0.7 + 1e-12


def test_no_limits_stack_to_none() -> None:
    assert builders.stack([], 5).weights.shape == (0, 5)


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="at_least, at_most"):
        builders.attention_share(OWN, ATTENTION, at_least=1.1)


def test_members_that_are_not_booleans_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="members"):
        builders.exposure([3, 4])


def test_a_count_among_the_top_holds_beside_a_share_of_attention() -> None:
    limits = [
        builders.count_in_top(OWN, 2, 3, at_least=0.5),
        builders.count_in_top(VALUE >= 4.0, 1, 3, at_most=0.25),
        builders.attention_share(OWN, ATTENTION, at_most=0.35),
    ]
    rows = builders.stack_positioned(limits, 5, ATTENTION)
    solution = solve_positioned(PositionedProblem(np.outer(VALUE, ATTENTION), **rows._asdict()))
    assert solution.status is Status.OPTIMAL
    shown = OWN[solution.slates]
    probabilities = solution.probabilities
    assert probabilities @ shown[:, :2].sum(axis=1) >= 0.5 - 1e-9
    assert probabilities @ (VALUE >= 4.0)[solution.slates[:, 0]] <= 0.25 + 1e-9
    assert probabilities @ (shown @ ATTENTION) <= 0.35 * ATTENTION.sum() + 1e-9


def test_a_count_among_the_top_does_not_fit_a_problem_by_attention() -> None:
    with pytest.raises(InvalidInputError, match="stack_positioned"):
        builders.stack([builders.count_in_top(OWN, 2, 3, at_most=1.0)], 5)


@pytest.mark.parametrize(
    "build",
    [
        lambda **ends: builders.average(VALUE, ATTENTION, **ends),
        lambda **ends: builders.exposure(OWN, **ends),
        lambda **ends: builders.count_in_top(OWN, 2, 3, **ends),
        lambda **ends: builders.attention_share(OWN, ATTENTION, **ends),
    ],
)
@pytest.mark.parametrize("ends", [(0.5, 0.4), (float("nan"), 0.4), (0.4, float("nan"))])
def test_limits_that_leave_nothing_between_them_are_refused(build: Any, ends: tuple[float, float]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        build(at_least=ends[0], at_most=ends[1])
    assert caught.value.field == "at_least, at_most"


@pytest.mark.parametrize("num_top", [0, 4, 1.5])
def test_the_top_is_part_of_the_slate(num_top: Any) -> None:
    with pytest.raises(InvalidInputError, match="num_top"):
        builders.count_in_top(OWN, num_top, 3, at_most=1.0)


def test_weights_for_other_positions_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="weights"):
        builders.stack_positioned([builders.count_in_top(OWN, 1, 2, at_most=1.0)], 5, ATTENTION)
