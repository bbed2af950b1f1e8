"""`models/<schema_id>/rollout.json`: what all replicas of a home follow, and people and servers change."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ranker.errors import InvalidInputError
from ranker.rollout.plan import Rollout
from ranker.strict_toml import from_object

if TYPE_CHECKING:
    from collections.abc import Callable

ROLLOUT_FILE = "rollout.json"


def read_rollout(path: Path) -> Rollout:
    """Returns the rollout of a file; one without any where there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Rollout()
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InvalidInputError("rollout", str(path), f"is not JSON: {error}") from error
    return from_object(content, Rollout, str(path))


def change_rollout(path: Path, change: Callable[[Rollout], Rollout]) -> Rollout:
    """Replaces the file by what `change` makes of it; changes on one machine follow one another."""
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_rollout(path)
        after = change(before)
        if after != before:
            _write(path, after)
        return after
    finally:
        os.close(lock)


def _write(path: Path, rollout: Rollout) -> None:
    """A reader sees the file before or after, never between."""
    content = msgspec.json.format(msgspec.json.encode(rollout), indent=1) + b"\n"
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as draft:
        draft.write(content)
    Path(draft.name).chmod(0o644)
    Path(draft.name).replace(path)
