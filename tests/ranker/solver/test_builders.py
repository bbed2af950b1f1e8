from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.solver import SlateProblem, Status, builders, solve

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
