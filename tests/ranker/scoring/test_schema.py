from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.errors import InvalidInputError, StateError
from ranker.scoring.schema import UNKNOWN, FeatureSchema, Field

COLOUR = Field("colour", "categorical", "candidate", vocabulary=(UNKNOWN, "red", "blue"))
SCHEMA = FeatureSchema(
    "shop",
    "click",
    (
        COLOUR,
        Field("price", "numeric", "candidate"),
        Field("hour", "numeric", "context"),
        Field("site", "categorical", "context", size=7),
        Field("age", "numeric", "context"),
    ),
    time="day",
)


def test_columns_are_the_context_s_then_the_candidate_s_each_in_the_order_of_the_fields() -> None:
    assert SCHEMA.context_numeric == ("hour", "age")
    assert SCHEMA.context_categorical == ("site",)
    assert SCHEMA.candidate_numeric == ("price",)
    assert SCHEMA.candidate_categorical == ("colour",)
    assert [field.name for field in SCHEMA.numeric_fields] == ["hour", "age", "price"]
    assert [field.name for field in SCHEMA.categorical_fields] == ["site", "colour"]
    assert SCHEMA.num_ids.tolist() == [7, 3]


def test_an_id_is_the_index_in_the_vocabulary_and_0_where_it_lacks_the_value() -> None:
    assert COLOUR.encode(["blue", "red", "green", UNKNOWN]).tolist() == [2, 1, 0, 0]
    assert COLOUR.encode([]).dtype == np.int64


@given(st.lists(st.text(max_size=5), unique=True).filter(lambda words: UNKNOWN not in words), st.data())
def test_decoding_gives_back_every_known_value(words: list[str], data: st.DataObject) -> None:
    field = Field("word", "categorical", "context", vocabulary=(UNKNOWN, *words))
    values = data.draw(st.lists(st.sampled_from((UNKNOWN, *words))))
    assert field.decode(field.encode(values)) == values


def test_a_field_without_ids_says_that_training_gives_them() -> None:
    field = Field("word", "categorical", "context")
    with pytest.raises(StateError, match=r"word\.size = None.*training"):
        _ = field.num_ids
    with pytest.raises(StateError, match=r"word\.vocabulary"):
        field.encode(["a"])


def test_an_unknown_field_name_is_named() -> None:
    assert SCHEMA.field("price").kind == "numeric"
    with pytest.raises(InvalidInputError, match="field = 'weight'"):
        SCHEMA.field("weight")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "field.name = ''"),
        ({"kind": "ordinal"}, "colour.kind = 'ordinal'"),
        ({"scope": "user"}, "colour.scope = 'user'"),
        ({"kind": "numeric"}, r"colour\.size or \.vocabulary = \('<unknown>', 'red', 'blue'\)"),
        ({"min_count": 0}, "colour.min_count = 0"),
        ({"vocabulary": None, "size": 0}, "colour.size = 0"),
        ({"size": 2}, "colour.size = 2: vocabulary has 3 ids"),
        ({"vocabulary": ()}, r"colour.vocabulary = \(\): must begin with '<unknown>'"),
        ({"vocabulary": ("red",)}, r"colour.vocabulary = \('red',\)"),
        ({"vocabulary": (UNKNOWN, "red", "red")}, "colour.vocabulary = 'red': is listed twice"),
    ],
)
def test_a_broken_field_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(COLOUR, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_id": "../etc"}, "schema_id = '../etc'"),
        ({"schema_id": ""}, "schema_id = ''"),
        ({"fields": ()}, "fields = "),
        ({"fields": (COLOUR, COLOUR)}, "fields.name = 'colour': is used twice"),
        ({"label": "price"}, "fields.name = 'price'"),
        ({"time": "hour"}, "fields.name = 'hour'"),
        ({"time": "click"}, "time = 'click'"),
    ],
)
def test_a_broken_schema_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(SCHEMA, **change)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"age": "age"}, "delay"),
        ({"delay": "delay"}, "delay"),
        ({"age": "age", "delay": "click"}, "delay"),
        ({"age": "age", "delay": "delay", "window": 0.0}, "window"),
        ({"window": 5.0}, "window"),
        ({"age": "age", "delay": "hour"}, "fields.name"),
    ],
)
def test_columns_of_waiting_that_do_not_fit_are_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        FeatureSchema("shop", "click", (Field("hour", "numeric", "context"),), **change)
    assert refused.value.field == field
