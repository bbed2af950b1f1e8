from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.solver import PositionedProblem

SOUND: dict[str, Any] = {
    "value": np.array([[3.0, 1.5], [2.0, 1.0], [1.0, 0.5]]),
    "weights": np.ones((1, 3, 2)),
    "limits": np.array([0.5]),
}

BROKEN: list[tuple[str, Any, Any]] = [
    ("value", [[1.0, np.nan], [1.0, 1.0], [1.0, 1.0]], np.nan),
    ("value", [[1.0, 1.0], [1.0, np.inf], [1.0, 1.0]], np.inf),
    ("value", [1.0, 2.0, 3.0], (3,)),
    ("value", [["x"]], [["x"]]),
    ("value", np.ones((3, 4)), (3, 4)),
    ("value", np.ones((3, 0)), (3, 0)),
    ("weights", np.ones((1, 3)), (1, 3)),
    ("weights", np.ones((1, 2, 2)), (1, 2, 2)),
    ("weights", np.full((1, 3, 2), -np.inf), -np.inf),
    ("value", np.full((3, 2), 1.7e308), 1.7e308),
    ("value", np.full((3, 2), 1e-310), 1e-310),
    ("weights", np.full((1, 3, 2), 1e-310), 1e-310),
    ("limits", [-1e308], 1e308),
    ("limits", [np.nan], np.nan),
    ("limits", [-np.inf], -np.inf),
    ("violation_price", [0.0], 0.0),
    ("violation_price", [1.0, 1.0], (1, 2)),
    ("lower_limits", [0.6], 0.6),
    ("lower_limits", [np.nan], np.nan),
    ("allowed", np.ones((2, 2), np.bool_), (2, 2)),
    ("allowed", [[False, True]] * 3, 1),
    ("allowed", [[True, True], [False, False], [False, False]], 1),
]


@pytest.mark.parametrize(("field", "wrong", "value"), BROKEN)
def test_one_wrong_field_is_named_with_its_value(field: str, wrong: object, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        PositionedProblem(**(SOUND | {field: wrong}))
    assert caught.value.field == field
    np.testing.assert_equal(caught.value.value, value)


def test_numbers_do_not_say_where_a_candidate_may_stand() -> None:
    with pytest.raises(InvalidInputError, match="allowed"):
        PositionedProblem(**(SOUND | {"allowed": np.ones((3, 2))}))


def test_a_sound_problem_has_its_dimensions() -> None:
    problem = PositionedProblem(**SOUND)
    assert (problem.num_candidates, problem.num_constraints, problem.num_positions) == (3, 1, 2)
