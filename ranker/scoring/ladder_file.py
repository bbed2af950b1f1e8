"""Writes and reads a ladder's manifest, `<models>/<schema_id>/ladder.json`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ranker.errors import InvalidInputError
from ranker.scoring.ladder import Ladder
from ranker.strict_toml import from_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LADDER_FILE = "ladder.json"


def write_ladder(models: Path, ladder: Ladder, details: Mapping[str, Any]) -> Path:
    """Writes the manifest, whole or not at all; `details` tells people what its seconds are true of."""
    path = models / ladder.schema_id / LADDER_FILE
    draft = path.with_suffix(".part")
    content = {**asdict(ladder), "details": details}
    draft.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def read_ladder(path: Path) -> Ladder:
    """Returns the ladder of a manifest; errors name the file and what is wrong in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInputError("ladder", str(path), f"is not JSON: {error}") from error
    if isinstance(content, dict):
        content.pop("details", None)
    ladder = from_object(content, Ladder, str(path))
    if ladder.schema_id != path.parent.name:
        raise InvalidInputError(f"{path}: schema_id", ladder.schema_id, f"must be {path.parent.name!r}")
    return ladder
