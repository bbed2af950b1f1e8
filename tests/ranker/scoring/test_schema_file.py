from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.errors import InvalidInputError, NotFoundError
from ranker.scoring.schema import UNKNOWN, FeatureSchema, Field
from ranker.scoring.schema_file import read_schema, schema_from_object, schema_to_object

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
schema_id = "shop"
label = "click"
time = "day"

[[fields]]
name = "site"
kind = "categorical"
scope = "context"
min_count = 5

[[fields]]
name = "colour"
kind = "categorical"
scope = "candidate"
vocabulary = ["<unknown>", "red"]

[[fields]]
name = "price"
kind = "numeric"
scope = "candidate"
"""


def test_a_schema_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(GOOD)
    assert read_schema(path) == FeatureSchema(
        "shop",
        "click",
        (
            Field("site", "categorical", "context", min_count=5),
            Field("colour", "categorical", "candidate", vocabulary=(UNKNOWN, "red")),
            Field("price", "numeric", "candidate"),
        ),
        time="day",
    )


def test_json_leaves_out_what_has_its_default_value() -> None:
    schema = FeatureSchema("s", "click", (Field("site", "categorical", "context", size=3),))
    assert schema_to_object(schema) == {
        "schema_id": "s",
        "label": "click",
        "fields": [{"name": "site", "kind": "categorical", "scope": "context", "size": 3}],
    }


fields = st.builds(
    Field,
    name=st.text(min_size=1, max_size=5),
    kind=st.just("categorical"),
    scope=st.sampled_from(["context", "candidate"]),
    vocabulary=st.none()
    | st.sets(st.text(max_size=3)).map(lambda words: (UNKNOWN, *sorted(words - {UNKNOWN}))),
    min_count=st.integers(1, 9),
)


@given(st.lists(fields, min_size=1, max_size=4, unique_by=lambda field: field.name))
def test_a_schema_survives_json(some: list[Field]) -> None:
    schema = FeatureSchema("s", "the click column", tuple(some))
    assert schema_from_object(json.loads(json.dumps(schema_to_object(schema))), "test") == schema


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('label = "click"', "", "Object missing required field `label`"),
        ('label = "click"', "label = 3", "label = 3: Expected `str`, got `int`"),
        ('time = "day"', 'tme = "day"', "key = 'tme': is unknown"),
        ('kind = "numeric"', 'kind = "ordinal"', r"fields\[2\].kind = 'ordinal'"),
        ('kind = "numeric"', "", r"fields\[2\] = .*missing required field `kind`"),
        ("min_count = 5", 'min_count = "5"', r"fields\[0\].min_count = '5'"),
        ("min_count = 5", "min_cout = 5", r"fields\[0\]: key = 'min_cout'"),
        ('["<unknown>", "red"]', '["<unknown>", 1]', r"fields\[1\].vocabulary\[1\] = 1"),
        ('["<unknown>", "red"]', '["red"]', "colour.vocabulary"),
        ("[[fields]]", "[[field]]", "key = 'field'"),
        ('"shop"', "shop", "is not TOML"),
    ],
)
def test_a_broken_file_is_refused_by_name_key_and_value(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InvalidInputError, match=message):
        read_schema(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.toml"):
        read_schema(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [[], "text", {"schema_id": "s", "label": "c", "fields": 3}])
def test_json_of_another_shape_is_refused(content: object) -> None:
    with pytest.raises(InvalidInputError, match="Expected"):
        schema_from_object(content, "test")
