"""Reads a feature schema from TOML, and writes and reads it as JSON."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ranker.errors import InvalidInputError, NotFoundError
from ranker.scoring.schema import FeatureSchema, Field
from ranker.strict_toml import from_object

if TYPE_CHECKING:
    from pathlib import Path


def read_schema(path: Path) -> FeatureSchema:
    """Returns the schema written in a TOML file; errors name the file, the key and its value."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError("schema", str(path), "no such file") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError("schema", str(path), f"is not TOML: {error}") from error
    return schema_from_object(content, str(path))


def schema_from_object(content: object, source: str) -> FeatureSchema:
    """Returns the schema of parsed TOML or JSON; `source` names the file in errors."""
    return from_object(content, FeatureSchema, source)


def schema_to_object(schema: FeatureSchema) -> dict[str, Any]:
    """Returns the schema as JSON types, without what has its default value."""
    content = _without_defaults(schema)
    content["fields"] = [_without_defaults(field) for field in schema.fields]
    return content


def _without_defaults(item: FeatureSchema | Field) -> dict[str, Any]:
    values = {
        field.name: getattr(item, field.name)
        for field in fields(item)
        if field.default != getattr(item, field.name)
    }
    # A tuple becomes a list, so that the object equals the one that JSON gives back.
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
