from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.scoring.rows import assemble_rows
from ranker.scoring.schema import FeatureSchema, Field

SCHEMA = FeatureSchema(
    "shop",
    "click",
    (
        Field("hour", "numeric", "context"),
        Field("price", "numeric", "candidate"),
        Field("site", "categorical", "context", size=3),
        Field("item", "categorical", "candidate", size=5),
    ),
)
GOOD: dict[str, Any] = {
    "context_numeric": np.array([7.0], np.float32),
    "context_categorical": np.array([2]),
    "numeric": np.array([[1.0], [2.0]], np.float32),
    "categorical": np.array([[0], [4]]),
}


def test_the_context_is_repeated_before_every_candidate() -> None:
    numeric, categorical = assemble_rows(SCHEMA, **GOOD)
    assert numeric.tolist() == [[7.0, 1.0], [7.0, 2.0]]
    assert categorical.tolist() == [[2, 0], [2, 4]]
    assert (numeric.dtype, categorical.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "context_numeric",
            np.zeros(2, np.float32),
            r"context.numeric.shape = \(2,\): the schema asks for \(1,\)",
        ),
        ("context_categorical", np.zeros(0, np.int64), r"context.categorical.shape = \(0,\)"),
        (
            "numeric",
            np.zeros((2, 2), np.float32),
            r"candidates.numeric.shape = \(2, 2\): the schema asks for \(2, 1\)",
        ),
        (
            "categorical",
            np.zeros((3, 1), np.int64),
            r"candidates.categorical.shape = \(3, 1\): the schema asks for \(2, 1\)",
        ),
        ("categorical", np.zeros((2, 1)), "candidates.categorical.dtype = 'float64'"),
        ("context_numeric", np.array([np.nan], np.float32), r"hour\[0\] = nan"),
        ("numeric", np.array([[1.0], [np.inf]], np.float32), r"price\[1\] = inf"),
        ("context_categorical", np.array([3]), r"site\[0\] = 3: must be in 0\.\.2"),
        ("categorical", np.array([[0], [-1]]), r"item\[1\] = -1: must be in 0\.\.4"),
        ("categorical", np.array([[5], [0]]), r"item\[0\] = 5"),
    ],
)
def test_a_broken_request_is_refused_by_field_row_and_value(name: str, value: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        assemble_rows(SCHEMA, **(GOOD | {name: value}))
