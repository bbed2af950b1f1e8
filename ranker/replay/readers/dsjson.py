"""Vowpal Wabbit's dsjson: one event a line, of a contextual bandit (cb) or one of several slots (ccb)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ranker.replay.logged_batch import Defect, Rejection
from ranker.replay.readers.raw_rows import RawRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ranker.replay.readers.options import Part, ReadOptions

# The words of a cb event and those of an outcome within a ccb event.
_CB = ("_label_cost", "_label_probability", "_labelIndex")


class _MalformedError(Exception):
    """Says which field of an event is not what it should be."""

    def __init__(self, field: str, value: object) -> None:
        super().__init__(field)
        self.field, self.value = field, str(value)[:80]


def raw_dsjson(part: Part, options: ReadOptions) -> Iterator[tuple[RawRows, tuple[Rejection, ...]]]:
    """Give the events of a file in batches, with the lines that are no events.

    The reward is −cost; the action is the number of the chosen one in the event's list, from 0; the
    propensity is that of the chosen action. Fields of `c` are the contexts. Lines that carry no decision,
    such as dangling observations, are malformed.
    """
    rows: list[dict[str, Any]] = []
    malformed: list[Rejection] = []
    with Path(part.file).open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                rows += _event(number, line, options)
            except _MalformedError as wrong:
                malformed.append(Rejection(Defect.MALFORMED, 1, part.file, number, wrong.field, wrong.value))
            if len(rows) + len(malformed) >= options.batch_rows:
                yield _raw(part, rows, options), tuple(malformed)
                rows, malformed = [], []
    yield _raw(part, rows, options), tuple(malformed)


def _event(number: int, line: str, options: ReadOptions) -> list[dict[str, Any]]:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        raise _MalformedError("", line.strip()) from None
    if not isinstance(event, dict):
        raise _MalformedError("", line.strip())
    shared = {
        "line": number,
        "request": str(event.get("EventId", number)),
        "dropped": event.get("pdrop", 0) not in (0, None),
        **{f"c.{name}": _cell(event.get("c"), name) for name in options.contexts},
    }
    if "_outcomes" in event:
        outcomes = event["_outcomes"]
        if not isinstance(outcomes, list):
            raise _MalformedError("_outcomes", outcomes)
        return [
            shared | {"position": j} | _decision(o, _first(o, "_a"), _first(o, "_p"), f"_outcomes[{j}]")
            for j, o in enumerate(outcomes)
        ]
    # p[0] belongs to the drawn action, a[0]; `_labelIndex` says the same.
    chosen = event.get(_CB[2]) if _CB[2] in event else _minus_one(_first(event, "a"))
    return [shared | {"position": 0} | _decision(event, chosen, _first(event, "p"), "event")]


def _decision(event: object, action: object, fallback: object, where: str) -> dict[str, Any]:
    if not isinstance(event, dict) or "_label_cost" not in event:
        raise _MalformedError(f"{where}._label_cost", "missing")
    cost = event["_label_cost"]
    return {
        "action": None if action is None else str(action),
        "reward": None if not _is_number(cost) else -float(cost),
        "propensity": _float(event.get("_label_probability", fallback)),
    }


def _first(event: object, name: str) -> Any:
    values = event.get(name) if isinstance(event, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _minus_one(value: object) -> object:
    return value - 1 if isinstance(value, int) else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _float(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _cell(context: object, path: str) -> Any:
    """Find a field of the shared context, namespaces separated by dots."""
    for name in path.split("."):
        context = context.get(name) if isinstance(context, dict) else None
    return context


def _cells(cells: list[Any]) -> pa.Array:
    """Return numbers as such where there is nothing else; text otherwise."""
    if all(cell is None or _is_number(cell) for cell in cells) and any(cell is not None for cell in cells):
        return pa.array([_float(cell) for cell in cells], pa.float64())
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def _raw(part: Part, rows: list[dict[str, Any]], options: ReadOptions) -> RawRows:
    def column(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([row.get(name) for row in rows], kind)

    dropped = np.array([row["dropped"] for row in rows], dtype=bool)
    return RawRows(
        part.file,
        np.array([row["line"] for row in rows], dtype=np.int64),
        action=column("action", pa.string()),
        reward=column("reward", pa.float64()),
        propensity=column("propensity", pa.float64()),
        position=column("position", pa.int64()),
        request=column("request", pa.string()),
        contexts={name: _cells([row[f"c.{name}"] for row in rows]) for name in options.contexts},
        named={"propensity": "_label_probability", "reward": "_label_cost", "action": "_labelIndex"},
        refused=((Defect.SAMPLED, "pdrop", dropped),),
    )
