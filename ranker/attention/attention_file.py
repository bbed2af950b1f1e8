"""The attention file: curves with intervals as JSON, its version the hash of its content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ranker.attention.curve import Curve
from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

FORMAT = "adranker-attention-1"
_ARRAYS = ("attention", "low", "high", "impressions", "clicks")


@dataclass(frozen=True, slots=True)
class AttentionFile:
    """The curve of all traffic and those of contexts, each usable as a request's attention."""

    method: str
    interval: str  # how the intervals were made
    level: float
    num_sessions: int
    curve: Curve
    contexts: dict[str, Curve] = field(default_factory=dict)
    not_identified: dict[str, str] = field(default_factory=dict)  # context → why it has no curve
    notes: tuple[str, ...] = ()
    context_fields: tuple[str, ...] = ()  # the fields that the contexts' names consist of

    def __post_init__(self) -> None:
        for name, curve in {"curve": self.curve, **self.contexts}.items():
            if not curve.non_increasing:
                j = int(np.argmax(np.diff(curve.attention) > 0)) + 1
                raise InvalidInputError(
                    f"{name}.attention[{j}]",
                    float(curve.attention[j]),
                    f"must not exceed the position before it ({curve.attention[j - 1]:g}): slates take "
                    "non-increasing attention; fit with the isotonic projection",
                )

    @property
    def version(self) -> str:
        """Returns the first 16 hex digits of the content's SHA-256."""
        canonical = json.dumps(_content(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def attention(self, num_positions: int, context: str | None = None) -> Floats:
        """Returns (num_positions,) for a request: of all traffic, or of one context.

        Raises InvalidInputError where the file has no such context or not that many positions.
        """
        if context is not None and context not in self.contexts:
            why = self.not_identified.get(context, f"known are {sorted(self.contexts)}")
            raise InvalidInputError("attention.context", context, f"has no curve: {why}")
        curve = self.curve if context is None else self.contexts[context]
        if not 1 <= num_positions <= len(curve.attention):
            raise InvalidInputError(
                "attention.num_positions", num_positions, f"the curve has 1..{len(curve.attention)}"
            )
        return curve.attention[:num_positions].copy()

    def served(self, num_positions: int, context: Mapping[str, int]) -> Floats:
        """Returns (num_positions,) for a request's categorical context, ids by field name.

        Its own context's curve where the log identified one, else the curve of all traffic. Raises
        InvalidInputError where the file has not that many positions.
        """
        known = self.context_fields and all(field in context for field in self.context_fields)
        name = ",".join(f"{field}={context[field]}" for field in self.context_fields) if known else None
        return self.attention(num_positions, name if name in self.contexts else None)


def write_attention(file: AttentionFile, path: Path) -> None:
    """Writes the file so that a reader never sees half of it."""
    document = {"format": FORMAT, "version": file.version, **_content(file)}
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read_attention(path: Path) -> AttentionFile:
    """Returns a valid file; raises InvalidInputError naming the file and what is wrong in it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInputError("attention_file", str(path), "does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError("attention_file", str(path), f"is not JSON: {error}") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise InvalidInputError(f"{path}: format", found, f"must be {FORMAT!r}")
    expected = {"format", "version"} | {f.name for f in fields(AttentionFile)}
    if set(document) != expected:
        raise InvalidInputError(f"{path}: fields", sorted(set(document) ^ expected), "missing or not known")
    if not isinstance(document["contexts"], dict):
        raise InvalidInputError(f"{path}: contexts", document["contexts"], "must be an object of curves")
    file = AttentionFile(
        **{
            name: document[name] for name in ("method", "interval", "level", "num_sessions", "not_identified")
        },
        curve=_read_curve(f"{path}: curve", document["curve"]),
        contexts={
            name: _read_curve(f"{path}: contexts.{name}", curve)
            for name, curve in document["contexts"].items()
        },
        notes=tuple(document["notes"]),
        context_fields=tuple(document["context_fields"]),
    )
    if file.version != document["version"]:
        raise InvalidInputError(
            f"{path}: version", document["version"], f"is not the hash of the content ({file.version})"
        )
    return file


def _content(file: AttentionFile) -> dict[str, Any]:
    return {
        "method": file.method,
        "interval": file.interval,
        "level": file.level,
        "num_sessions": file.num_sessions,
        "curve": _curve_content(file.curve),
        "contexts": {name: _curve_content(curve) for name, curve in file.contexts.items()},
        "not_identified": file.not_identified,
        "notes": list(file.notes),
        "context_fields": list(file.context_fields),
    }


def _curve_content(curve: Curve) -> dict[str, Any]:
    arrays = {name: getattr(curve, name).tolist() for name in _ARRAYS}
    return arrays | {"log_likelihood": curve.log_likelihood, "converged": curve.converged}


def _read_curve(where: str, content: Any) -> Curve:
    if not isinstance(content, dict):
        raise InvalidInputError(where, content, "must be an object")
    missing = {f.name for f in fields(Curve)} ^ set(content)
    if missing:
        raise InvalidInputError(f"{where}.fields", sorted(missing), "missing or not known")
    arrays = {}
    for name in _ARRAYS:
        values = content[name]
        if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
            raise InvalidInputError(f"{where}.{name}", values, "must be a list of numbers")
        arrays[name] = np.array(values, np.float64)
    return Curve(**arrays, log_likelihood=content["log_likelihood"], converged=content["converged"])
