from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bandit.elements import checked_features, design
from bandit.errors import CatalogueError
from bandit.space import CreativeCatalogue, Slot

FEATURES = {
    "cat": {"advertiser": "acme", "warmth": 1.0, "embedding": (0.0, 2.0)},
    "dog": {"advertiser": "bolt", "warmth": 2.0, "embedding": (4.0, 2.0)},
    "ape": {"advertiser": "acme", "warmth": 3.0, "embedding": (2.0, 2.0)},
}


def test_columns_are_standardised_categories_numbers_and_vectors() -> None:
    slot = Slot("picture", ("cat", "dog", "ape"), FEATURES)
    columns = design(slot.elements, slot.features)
    half, wide = 0.5**0.5, 1.5**0.5
    expected = [
        [half, -2.0 * half, half],  # acme
        [-half, 2.0 * half, -half],  # bolt
        [-wide, wide, 0.0],  # embedding, first part
        [0.0, 0.0, 0.0],  # embedding, second part: does not vary
        [-wide, 0.0, wide],  # warmth
    ]
    assert pytest.approx(np.array(expected)) == columns.T


def test_without_features_there_are_no_columns() -> None:
    assert design(("a", "b"), {}).shape == (2, 0)


def test_catalogue_with_features_survives_its_text(catalogue: CreativeCatalogue) -> None:
    features = {"cat": {"warmth": 1, "embedding": [1, 2]}, "dog": {"warmth": 2.5, "embedding": [0, 1]}}
    slot = Slot("picture", ("cat", "dog"), features)
    rich = replace(catalogue, slots=(slot, *catalogue.slots[1:]))
    assert CreativeCatalogue.from_json(rich.to_json()) == rich
    assert rich.version != catalogue.version
    assert "features" not in json.loads(catalogue.to_json())["slots"][0]


@pytest.mark.parametrize(
    ("element", "values", "named"),
    [
        ("dog", None, r"f\[dog\] = None"),
        ("dog", {"warmth": 1.0}, r"f\[dog\]"),
        ("dog", {"advertiser": "bolt", "warmth": "hot"}, r"f\[dog\].warmth = 'hot'"),
        ("dog", {"advertiser": "bolt", "warmth": float("nan")}, r"f\[dog\].warmth = nan"),
        ("dog", {"advertiser": "", "warmth": 1.0}, r"f\[dog\].advertiser = ''"),
        ("dog", {"advertiser": "bolt", "warmth": True}, r"f\[dog\].warmth = True"),
        ("dog", {"advertiser": "bolt", "warmth": []}, r"f\[dog\].warmth = \[\]"),
        ("cow", {"advertiser": "bolt", "warmth": 1.0}, r"f\[cow\]"),
    ],
)
def test_broken_feature_names_its_element(element: str, values: dict[str, object] | None, named: str) -> None:
    features: dict[str, dict[str, object]] = {
        name: {"advertiser": "acme", "warmth": 1.0} for name in ("cat", "dog")
    }
    if values is None:
        del features[element]
    else:
        features[element] = values
    with pytest.raises(CatalogueError, match=named):
        checked_features("f", ("cat", "dog"), features)


def test_vectors_of_different_length_are_refused() -> None:
    with pytest.raises(CatalogueError, match=r"a vector of 1, other elements have a vector of 2"):
        Slot("s", ("a", "b"), {"a": {"v": (1.0, 2.0)}, "b": {"v": (1.0,)}})


def test_features_must_be_objects(catalogue: CreativeCatalogue) -> None:
    data = json.loads(catalogue.to_json())
    data["slots"][0]["features"] = {"cat": 3}
    with pytest.raises(CatalogueError, match=r"slots.features"):
        CreativeCatalogue.from_json(json.dumps(data))
