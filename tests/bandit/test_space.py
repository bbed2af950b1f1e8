from __future__ import annotations

import json

import pytest

from bandit.errors import CatalogueError, CreativeError, UnknownSpaceError
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot

VALID = {
    "context_fields": [{"name": "hour", "size": 3}],
    "slots": [
        {"name": "picture", "elements": ["cat", "dog"]},
        {"name": "colour", "elements": ["red", "green"]},
    ],
    "spaces": [
        {
            "id": "banner",
            "context_fields": ["hour"],
            "elements": {"picture": ["dog", "cat"], "colour": []},
            "incompatible": [[["colour", "red"], ["picture", "cat"]]],
        }
    ],
}


def changed(*path: object, value: object) -> str:
    data = json.loads(json.dumps(VALID))
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return json.dumps(data)


def test_defaults_are_written_out_in_catalogue_order() -> None:
    space = CreativeCatalogue.from_json(json.dumps(VALID)).space("banner")
    assert dict(space.elements) == {"picture": ("cat", "dog"), "colour": ("red", "green")}
    assert space.incompatible == ((("picture", "cat"), ("colour", "red")),)


def test_catalogue_survives_its_own_json(catalogue: CreativeCatalogue) -> None:
    again = CreativeCatalogue.from_json(catalogue.to_json())
    assert again == catalogue
    assert again.version == catalogue.version


def test_version_ignores_how_the_same_catalogue_is_written() -> None:
    one = CreativeCatalogue.from_json(json.dumps(VALID))
    other = CreativeCatalogue.from_json(changed("spaces", 0, "elements", value={}))
    assert one.version == other.version


def test_version_changes_with_an_element() -> None:
    one = CreativeCatalogue.from_json(json.dumps(VALID))
    other = CreativeCatalogue.from_json(changed("slots", 0, "elements", value=["cat", "dog", "fox"]))
    assert one.version != other.version


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("{", "catalogue", "{"),
        ("[]", "catalogue", []),
        (changed("slot", value=[]), "catalogue.slot", []),
        (json.dumps({"slots": [], "spaces": []}), "catalogue.context_fields", None),
        (changed("context_fields", 0, "size", value=0), "context_fields[hour].size", 0),
        (changed("context_fields", 0, "size", value=2.0), "context_fields[hour].size", 2.0),
        (changed("context_fields", 0, "name", value=""), "context_fields.name", ""),
        (changed("context_fields", value={"hour": 3}), "context_fields", {"hour": 3}),
        (changed("slots", 0, "elements", value=[]), "slots[picture].elements", ()),
        (changed("slots", 0, "elements", value="cat"), "slots.elements", "cat"),
        (changed("slots", 0, "elements", value=["cat", "cat"]), "slots[picture].elements", "cat"),
        (changed("slots", 1, "name", value="picture"), "slots.name", "picture"),
        (changed("spaces", 0, "id", value=7), "spaces.id", 7),
        (changed("spaces", 0, "context_fields", value=["day"]), "spaces[banner].context_fields", "day"),
        (changed("spaces", 0, "elements", value={"sound": []}), "spaces[banner].elements", "sound"),
        (changed("spaces", 0, "elements", value=[]), "spaces.elements", []),
        (
            changed("spaces", 0, "elements", "picture", value=["fox"]),
            "spaces[banner].elements[picture]",
            "fox",
        ),
        (changed("spaces", 0, "incompatible", value=[["cat"]]), "spaces.incompatible", ["cat"]),
        (
            changed("spaces", 0, "incompatible", 0, 0, value=["colour", "blue"]),
            "spaces[banner].incompatible",
            ("colour", "blue"),
        ),
        (
            changed("spaces", 0, "incompatible", 0, 0, value=["picture", "dog"]),
            "spaces[banner].incompatible",
            (("picture", "dog"), ("picture", "cat")),
        ),
    ],
)
def test_broken_catalogue_names_field_and_value(text: str, field: str, value: object) -> None:
    with pytest.raises(CatalogueError) as raised:
        CreativeCatalogue.from_json(text)
    assert raised.value.field == field
    assert raised.value.value == value
    assert str(raised.value) == f"{field} = {value!r}: {raised.value.problem}"


def test_unknown_space_is_our_error(catalogue: CreativeCatalogue) -> None:
    with pytest.raises(UnknownSpaceError, match="space_id = 'video'"):
        catalogue.space("video")
    assert issubclass(UnknownSpaceError, CreativeError)


def test_space_twice_is_an_error() -> None:
    with pytest.raises(CatalogueError, match=r"spaces.id = 'a': is given twice"):
        CreativeCatalogue(
            (ContextField("x", 1),), (Slot("s", ("e",)),), (CreativeSpace("a"), CreativeSpace("a"))
        )
