"""Reads TOML into dataclasses; errors name the file, the key and its value."""

from __future__ import annotations

import dataclasses
import re
import tomllib
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ranker.errors import InvalidInputError, NotFoundError, RankerError

T = TypeVar("T")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def read_toml(path: Path, kind: type[T]) -> T:
    """Returns the dataclass `kind` that a TOML file describes; keys that it lacks are refused."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError("file", str(path), "no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError("file", str(path), f"is not TOML: {error}") from error
    return from_object(content, kind, str(path))


def from_object(content: Any, kind: type[T], source: str) -> T:
    """Returns the dataclass `kind` of parsed TOML or JSON; `source` names the file in errors."""
    _refuse_unknown_keys(content, kind, source)
    try:
        return msgspec.convert(content, kind, dec_hook=_path)
    except RankerError as error:  # what msgspec lets through, of a dataclass below the first
        raise InvalidInputError(f"{source}: {error.field}", error.value, error.problem) from error
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, RankerError):
            cause = error.__cause__
            raise InvalidInputError(f"{source}: {cause.field}", cause.value, cause.problem) from error
        problem, _, place = str(error).partition(" - at `$")
        place = place.rstrip("`")
        raise InvalidInputError(
            f"{source}: {place.lstrip('.')}", _value_at(content, place), problem
        ) from None


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"{value!r} is no {kind.__name__}")


def _refuse_unknown_keys(content: Any, kind: Any, where: str) -> None:
    if dataclasses.is_dataclass(kind) and isinstance(content, dict):
        hints = typing.get_type_hints(kind)
        for key, value in content.items():
            if key not in hints:
                raise InvalidInputError(
                    f"{where}: key", key, f"is unknown; known are {', '.join(sorted(hints))}"
                )
            _refuse_unknown_keys(value, hints[key], f"{where}: {key}")
    elif isinstance(content, list) and typing.get_origin(kind) is tuple:
        for i, value in enumerate(content):
            _refuse_unknown_keys(value, typing.get_args(kind)[0], f"{where}[{i}]")


def _value_at(content: Any, place: str) -> object:
    for key, index in _STEP.findall(place):
        if key and key not in content:
            return None
        content = content[key] if key else content[int(index)]
    return content
