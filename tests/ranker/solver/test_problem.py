from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.solver import Settings, SlateBatch, SlateProblem

SOUND: dict[str, Any] = {
    "value": np.array([3.0, 2.0, 1.0]),
    "weights": np.array([[1.0, 0.0, 0.5]]),
    "limits": np.array([0.5]),
    "attention": np.array([1.0, 0.5]),
}

BROKEN: list[tuple[str, Any, Any]] = [
    ("value", [1.0, np.nan, 1.0], np.nan),
    ("value", [1.0, np.inf, 1.0], np.inf),
    ("value", [[1.0, 2.0, 3.0]], (1, 3)),
    ("value", ["x", "y", "z"], ["x", "y", "z"]),
    ("weights", [[1.0, -np.inf, 1.0]], -np.inf),
    ("weights", [[1.0, 2.0]], (1, 1, 2)),
    ("weights", [1.0, 2.0, 3.0], (3,)),
    ("limits", [np.nan], np.nan),
    ("limits", [-np.inf], -np.inf),
    ("attention", [1.0, -0.5], -0.5),
    ("attention", [1.0, 0.0], 0.0),
    ("attention", [0.5, 1.0], 1.0),
    ("attention", [1.0, np.nan], np.nan),
    ("attention", [1.0, 1.0, 1.0, 1.0], 4),
    ("attention", [], 0),
    ("violation_price", [0.0], 0.0),
    ("violation_price", [np.nan], np.nan),
    ("violation_price", [1.0, 1.0], (1, 2)),
    ("lower_limits", [0.6], 0.6),
    ("lower_limits", [np.inf], np.inf),
    ("lower_limits", [np.nan], np.nan),
    ("pinned", [0], (1, 1)),
    ("pinned", [0, 3], 3),
    ("pinned", [-2, 0], -2),
    ("pinned", [1, 1], 1),
    ("pinned", [0.0, 1.0], [0.0, 1.0]),
]


@pytest.mark.parametrize(("field", "wrong", "value"), BROKEN)
def test_one_wrong_field_is_named_with_its_value(field: str, wrong: object, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        SlateProblem(**(SOUND | {field: wrong}))
    assert caught.value.field == field
    np.testing.assert_equal(caught.value.value, value)


@pytest.mark.parametrize(
    ("structure", "field"),
    [
        ({"groups": [0, 0, 0]}, "caps"),
        ({"caps": [1]}, "caps"),
        ({"groups": [0, 0, 1], "caps": [1]}, "groups"),
        ({"groups": [0, 0], "caps": [1]}, "groups"),
        ({"groups": [0, 0, 1], "caps": [-1, 2]}, "caps"),
        ({"groups": [0, 0, 0], "caps": [1]}, "caps"),
        ({"groups": [0, 0, 1], "caps": [1, 1], "pinned": [0, 1]}, "caps"),
    ],
)
def test_caps_that_admit_no_slate_are_refused(structure: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        SlateProblem(**(SOUND | structure))
    assert caught.value.field == field


def test_a_batch_names_the_problem_that_is_wrong() -> None:
    arrays = {name: np.stack([array, array]) for name, array in SOUND.items()}
    arrays["value"][1, 2] = np.nan
    with pytest.raises(InvalidInputError, match="problem 1 of the batch"):
        SlateBatch(**arrays)


def test_a_batch_takes_problems_of_one_shape_only() -> None:
    other = SOUND | {"attention": np.array([1.0])}
    with pytest.raises(InvalidInputError, match="attention"):
        SlateBatch.of([SlateProblem(**SOUND), SlateProblem(**other)])


def test_read_only_and_strided_arrays_become_what_the_kernels_take() -> None:
    value = np.arange(6.0)[::2]
    value.setflags(write=False)
    problem = SlateProblem(**(SOUND | {"value": value}))
    assert problem.value.flags.carray
    assert problem.value.tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gap_tolerance", -1.0),
        ("gap_tolerance", np.nan),
        ("smoothing", 1.0),
        ("max_num_steps", 0),
        ("max_num_steps", 2.5),
        ("max_num_steps", 2**63),
        ("steps_until_ellipsoid", -1),
        ("steps_until_ellipsoid", True),
        ("mode", "every_slate"),
    ],
)
def test_settings_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=field):
        Settings(**{field: value})
