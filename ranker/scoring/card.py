"""The card of a model: what it reads, where it comes from and what it was measured to be worth."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ranker.errors import InvalidInputError, NotFoundError
from ranker.scoring.schema_file import schema_from_object, schema_to_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ranker.scoring.schema import FeatureSchema

MODEL_FILE = "model.onnx"
CARD_FILE = "card.json"


@dataclass(frozen=True)
class Card:
    """A model's identity and schema, for serving, and `details` for people: metrics, data, choices."""

    model_version: str
    created_at: datetime
    schema: FeatureSchema
    details: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise InvalidInputError("created_at", self.created_at.isoformat(), "must have a time zone")


def model_version(onnx_bytes: bytes, schema: FeatureSchema) -> str:
    """Returns 16 hex digits of the SHA-256 of the ONNX file followed by the schema's canonical JSON."""
    return hashlib.sha256(onnx_bytes + _canonical_json(schema_to_object(schema)).encode()).hexdigest()[:16]


def card_json(card: Card) -> str:
    """Returns the card as indented JSON; equal cards give equal bytes."""
    content = {
        "model_version": card.model_version,
        "created_at": card.created_at.isoformat(),
        "schema": schema_to_object(card.schema),
        **card.details,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_card(directory: Path) -> Card:
    """Returns the card in a model's directory; errors name the file and what is wrong in it."""
    path = directory / CARD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError("card", str(path), "no such file") from None
    except ValueError as error:
        raise InvalidInputError("card", str(path), f"is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidInputError("card", str(path), "must be a JSON object")
    for key in ("model_version", "created_at", "schema"):
        if key not in content:
            raise InvalidInputError("card", str(path), f"lacks {key!r}")
    version, created_at = content.pop("model_version"), content.pop("created_at")
    if not isinstance(version, str):
        raise InvalidInputError(f"{path}: model_version", version, "must be text")
    try:
        created_at = datetime.fromisoformat(created_at)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{path}: created_at", created_at, "must be an ISO 8601 time") from None
    schema = schema_from_object(content.pop("schema"), f"{path}: schema")
    return Card(version, created_at, schema, content)


def _canonical_json(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
