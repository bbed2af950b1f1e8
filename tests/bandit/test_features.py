from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bandit.errors import CatalogueError, ContextError
from bandit.features import ABSENT, FeatureIndex
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot

# Rows of the fixture: hour 0–2, site 3–6, picture 7–8, headline 9–11, colour 12–13, banner's compositions
# 14–25.


def test_rows_follow_catalogue_order(index: FeatureIndex) -> None:
    elements = {"colour": "green", "picture": "dog", "headline": "short"}
    assert index.rows("banner", {"hour": 2, "site": 1}, elements).tolist() == [2, 4, 8, 9, 13, 21]
    assert index.row_names()[13] == ("colour", "green")
    assert index.row_names()[4] == ("site", "1")


def test_fields_that_a_space_does_not_use_are_absent(index: FeatureIndex) -> None:
    rows = index.rows("text", {"hour": 2, "site": 3}, {"headline": "question"})
    assert rows.tolist() == [ABSENT, 6, ABSENT, 11, ABSENT, ABSENT]


def test_every_composition_of_few_slots_has_a_row_of_its_own(index: FeatureIndex) -> None:
    every = product(("cat", "dog"), ("short", "long", "question"), ("red", "green"))
    names = [dict(zip(("picture", "headline", "colour"), elements, strict=True)) for elements in every]
    rows = [int(index.rows("banner", {"hour": 0, "site": 0}, elements)[-1]) for elements in names]
    assert rows == list(range(14, 26))
    assert index.num_rows == 26
    space = index.space("banner")
    feasible = [space.creative(number) for number in range(space.feasible.count)]
    assert space.composition_rows.tolist() == [rows[names.index(creative)] for creative in feasible]
    assert index.row_names()[15] == ('["picture", "headline", "colour"]', '["cat", "short", "green"]')


def test_many_compositions_have_no_rows() -> None:
    slots = tuple(Slot(name, tuple(map(str, range(32)))) for name in "ab")
    index = FeatureIndex(CreativeCatalogue((), slots, (CreativeSpace("wide", ()),)))
    assert (index.num_rows, index.num_fields) == (64, 2)
    assert index.space("wide").composition_rows.size == 0


def test_one_slot_alone_makes_no_compositions() -> None:
    catalogue = CreativeCatalogue((), (Slot("a", ("x", "y")),), (CreativeSpace("only", ()),))
    assert FeatureIndex(catalogue).num_rows == 2


def test_spaces_of_the_same_slots_share_their_compositions() -> None:
    slots = (Slot("a", ("x", "y")), Slot("b", ("x", "y")))
    spaces = (CreativeSpace("all", ()), CreativeSpace("some", (), {"b": ("y",), "a": ("x", "y")}))
    index = FeatureIndex(CreativeCatalogue((), slots, spaces))
    chosen = {"a": "y", "b": "y"}
    assert index.rows("all", {}, chosen).tolist() == index.rows("some", {}, chosen).tolist() == [1, 3, 7]


def test_retired_element_keeps_its_row(index: FeatureIndex) -> None:
    assert index.rows("text", {"site": 0}, {"headline": "long"})[3] == 10


def test_creatives_leave_out_the_rule(index: FeatureIndex) -> None:
    space = index.space("banner")
    creatives = {tuple(space.creative(number).values()) for number in range(space.feasible.count)}
    every = product(("cat", "dog"), ("short", "long", "question"), ("red", "green"))
    assert creatives == {creative for creative in every if (creative[0], creative[2]) != ("cat", "red")}


def test_compositions_point_at_the_elements_of_the_creative(index: FeatureIndex) -> None:
    space = index.space("banner")
    for number, composition in enumerate(space.compositions()):
        assert dict(space.names[position] for position in composition) == space.creative(number)


def test_feasible_hash_tells_spaces_apart(index: FeatureIndex) -> None:
    assert index.space("banner").feasible_hash != index.space("text").feasible_hash
    assert len(index.space("text").feasible_hash) == 16


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ({"hour": 0}, "context[site]"),
        ({"hour": 3, "site": 0}, "context[hour]"),
        ({"hour": -1, "site": 0}, "context[hour]"),
        ({"hour": 1.0, "site": 0}, "context[hour]"),
        ({"hour": True, "site": 0}, "context[hour]"),
    ],
)
def test_broken_context_names_the_field(index: FeatureIndex, context: dict[str, int], field: str) -> None:
    with pytest.raises(ContextError) as raised:
        index.context_rows(index.catalogue.space("banner"), context)
    assert raised.value.field == field
    assert raised.value.value is context.get(field[8:-1])


def test_numpy_integers_are_context_ids(index: FeatureIndex) -> None:
    context = {"hour": np.int64(1), "site": np.int32(2)}
    assert index.context_rows(index.catalogue.space("banner"), context) == (1, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("elements", "field"),
    [({}, "elements"), ({"headline": "loud"}, "elements[headline]"), ({"picture": "cat"}, "elements")],
)
def test_broken_creative_names_the_slot(index: FeatureIndex, elements: dict[str, str], field: str) -> None:
    with pytest.raises(CatalogueError) as raised:
        index.rows("text", {"site": 0}, elements)
    assert raised.value.field == field


def test_space_without_a_feasible_creative_is_an_error() -> None:
    slots = (Slot("a", ("x",)), Slot("b", ("y",)))
    space = CreativeSpace("s", incompatible=((("a", "x"), ("b", "y")),))
    with pytest.raises(CatalogueError, match=r"spaces\[s\].rules = .*leave no creative"):
        FeatureIndex(CreativeCatalogue((ContextField("c", 1),), slots, (space,))).space("s")
