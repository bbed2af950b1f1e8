from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bandit.errors import CreativeError
from bandit.fm import Parameters, logits


def test_two_features_by_hand() -> None:
    parameters = Parameters(
        np.array(0.5), np.array([1.0, 2.0, 4.0]), np.array([[1.0, 2.0], [3.0, -1.0], [9, 9]])
    )
    rows = np.array([[0, 1], [0, -1]], np.int32)
    assert logits(parameters, rows) == pytest.approx([0.5 + 3.0 + 1.0, 0.5 + 1.0])


def test_pairs_equal_the_double_sum_for_several_draws() -> None:
    rng = np.random.default_rng(0)
    parameters = Parameters(rng.normal(size=4), rng.normal(size=(4, 7)), rng.normal(size=(4, 7, 3)))
    rows = np.array([[0, 3, 5], [1, 4, -1], [2, -1, -1]], np.int32)
    expected = np.empty((4, 3))
    for m in range(4):
        for n, row in enumerate(rows):
            active = [int(value) for value in row if value >= 0]
            pairs = (parameters.factors[m, f] @ parameters.factors[m, g] for f, g in combinations(active, 2))
            expected[m, n] = parameters.bias[m] + parameters.linear[m, active].sum() + sum(pairs)
    assert logits(parameters, rows) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("linear", "factors", "field"), [((2, 3), (3, 2), "linear"), ((3,), (4, 2), "factors")]
)
def test_shapes_that_disagree_are_an_error(
    linear: tuple[int, ...], factors: tuple[int, ...], field: str
) -> None:
    with pytest.raises(CreativeError) as raised:
        Parameters(np.zeros(()), np.zeros(linear), np.zeros(factors))
    assert raised.value.field == field


def test_rows_beyond_those_with_factors_meet_nothing() -> None:
    few = Parameters(np.array(0.5), np.array([1.0, 2.0, 4.0]), np.array([[1.0, 2.0], [3.0, -1.0]]))
    rows = np.array([[0, 1, 2], [0, -1, 2]], np.int32)
    assert logits(few, rows) == pytest.approx([0.5 + 7.0 + 1.0, 0.5 + 5.0])


def test_some_rows_are_taken_and_replaced_with_the_factors_that_they_have() -> None:
    few = Parameters(np.array(0.5), np.arange(3.0), np.arange(4.0).reshape(2, 2))
    rows = np.array([1, 2], np.int32)
    taken = few.taken(rows)
    assert taken.linear.tolist() == [1.0, 2.0]
    assert taken.factors.tolist() == [[2.0, 3.0]]
    changed = few.replaced(rows, np.array(0.0), -taken.linear, -taken.factors)
    assert changed.linear.tolist() == [0.0, -1.0, -2.0]
    assert changed.factors.tolist() == [[0.0, 1.0], [-2.0, -3.0]]
