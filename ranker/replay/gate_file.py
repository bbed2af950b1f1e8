"""The state of a gate as a file, so that it can be asked again tomorrow."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.errors import InvalidInputError, StateError
from ranker.replay.confidence_sequence import Running
from ranker.replay.gate import Gate, GateSettings, open_gate

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = 1
_CAPITALS = ("log_above", "log_below", "current_above", "current_below")


def write_gate(gate: Gate, path: Path) -> None:
    """Write the state, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(path.suffix + ".part")
    written.write_text(json.dumps({"version": _VERSION, "gate": _plain(gate)}))
    written.replace(path)


def read_gate(path: Path, settings: GateSettings) -> Gate:
    """Read the state of a test, or begin one where there is none.

    Raises `StateError` where the settings are not those of the test: changing them midway voids its promise.
    """
    if not path.exists():
        return open_gate(settings)
    try:
        stored = json.loads(path.read_text())
        if stored["version"] != _VERSION:
            raise InvalidInputError("state", str(path), f"is of version {stored['version']}, not {_VERSION}")
        gate = _restored(stored["gate"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError("state", str(path), f"is no gate's state: {error}") from None
    if gate.settings != settings:
        changed = {
            name: (was, asdict(settings)[name])
            for name, was in asdict(gate.settings).items()
            if was != asdict(settings)[name]
        }
        raise StateError("settings", changed, "differ from those that the test began with (was, is)")
    return gate


def _plain(gate: Gate) -> dict[str, Any]:
    plain: dict[str, Any] = asdict(gate)
    sequence = plain["sequence"]
    for name in _CAPITALS:
        sequence[name] = sequence[name].tolist()
    del sequence["means"]  # follows from the settings
    return plain


def _restored(stored: dict[str, Any]) -> Gate:
    empty = open_gate(GateSettings(**stored["settings"]))
    sequence = stored["sequence"]
    capitals: dict[str, Any] = {name: np.array(sequence[name], dtype=np.float64) for name in _CAPITALS}
    return Gate(
        settings=empty.settings,
        sequence=replace(empty.sequence, running=Running(**sequence["running"]), **capitals),
        num_rows=stored["num_rows"],
        weight_sums=tuple(stored["weight_sums"]),
        reward_sums=tuple(stored["reward_sums"]),
        digest=stored["digest"],
    )
