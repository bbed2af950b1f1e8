from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ranker.errors import InvalidInputError, NotFoundError
from ranker.scoring.card import Card, card_json, model_version, read_card
from ranker.scoring.schema import FeatureSchema, Field

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = FeatureSchema("shop", "click", (Field("price", "numeric", "candidate"),))
CARD = Card("0123", datetime(2020, 1, 2, 3, tzinfo=UTC), SCHEMA, {"metrics": {"auc": 0.5}})


def test_a_card_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(card_json(CARD))
    assert read_card(tmp_path) == CARD


def test_the_version_is_of_the_network_and_the_schema() -> None:
    version = model_version(b"net", SCHEMA)
    assert len(version) == 16
    assert version == model_version(b"net", replace(SCHEMA))
    assert version != model_version(b"nets", SCHEMA)
    assert version != model_version(b"net", replace(SCHEMA, schema_id="shops"))


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="created_at = '2020-01-01T00:00:00': must have a time zone"):
        replace(CARD, created_at=datetime(2020, 1, 1))


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"card\.json': no such file"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"created_at": "yesterday"}, r"card\.json: created_at = 'yesterday': must be an ISO 8601 time"),
        ({"created_at": 3}, r"card\.json: created_at = 3"),
        ({"schema": {"schema_id": "s"}}, r"card\.json: schema: .*missing required field `label`"),
        ({"schema": None}, r"card\.json: schema"),
        ({"model_version": None}, r"card\.json: model_version = None"),
    ],
)
def test_a_broken_card_is_refused_by_file_key_and_value(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    (tmp_path / "card.json").write_text(json.dumps(json.loads(card_json(CARD)) | change))
    with pytest.raises(InvalidInputError, match=message):
        read_card(tmp_path)


@pytest.mark.parametrize("key", ["model_version", "created_at", "schema"])
def test_a_card_that_lacks_a_key_is_refused(tmp_path: Path, key: str) -> None:
    content = json.loads(card_json(CARD))
    del content[key]
    (tmp_path / "card.json").write_text(json.dumps(content))
    with pytest.raises(InvalidInputError, match=f"lacks '{key}'"):
        read_card(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("[]", "must be a JSON object"), ("{", "is not JSON")])
def test_a_file_that_is_no_card_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        read_card(tmp_path)
