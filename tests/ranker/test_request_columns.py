"""Requests from data frames and arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ranker.errors import InvalidInputError
from ranker.request_columns import candidates_from_columns, context_from_mapping
from ranker.scoring.schema import FeatureSchema, Field

SCHEMA = FeatureSchema(
    "shop",
    "click",
    (
        Field("hour", "numeric", "context"),
        Field("device", "categorical", "context", vocabulary=("<unknown>", "phone")),
        Field("price", "numeric", "candidate"),
        Field("brand", "categorical", "candidate", vocabulary=("<unknown>", "a", "b")),
    ),
)
COLUMNS = {"id": ["x", "y"], "bid": [1, 2.5], "price": [3.0, 4.0], "brand": ["b", "new"]}


@pytest.mark.parametrize(
    "columns", [COLUMNS, pd.DataFrame(COLUMNS), {k: np.array(v) for k, v in COLUMNS.items()}]
)
def test_frames_and_arrays_give_the_same_candidates(columns):
    candidates = candidates_from_columns(columns, SCHEMA)
    assert candidates.ids == ("x", "y")
    assert candidates.bids.tolist() == [1.0, 2.5]
    assert candidates.numeric.tolist() == [[3.0], [4.0]]
    assert candidates.categorical.tolist() == [[2], [0]]
    assert candidates.creative_space_ids == ()


def test_ids_of_a_vocabulary_are_taken_as_they_are():
    candidates = candidates_from_columns({**COLUMNS, "brand": [1, 0]}, SCHEMA)
    assert candidates.categorical.tolist() == [[1], [0]]


def test_own_scores_need_no_schema():
    frame = pd.DataFrame({"id": [7], "bid": [1.0], "ctr": [0.5], "creative_space_id": ["banner"]})
    candidates = candidates_from_columns(frame)
    assert candidates.ids == ("7",)
    assert candidates.ctr is not None
    assert candidates.ctr.tolist() == [0.5]
    assert candidates.creative_space_ids == ("banner",)


def test_a_context_is_read_by_name():
    context = context_from_mapping({"device": "phone", "hour": 12, "other": "x"}, SCHEMA)
    assert context.numeric.tolist() == [12.0]
    assert context.categorical.tolist() == [1]


def test_a_missing_column_is_named():
    with pytest.raises(InvalidInputError, match="'price': is missing"):
        candidates_from_columns({"id": ["x"], "bid": [1.0]}, SCHEMA)
    with pytest.raises(InvalidInputError, match="'ctr'"):
        candidates_from_columns({"id": ["x"], "bid": [1.0]})
    with pytest.raises(InvalidInputError, match="'device': is missing"):
        context_from_mapping({"hour": 1.0}, SCHEMA)
