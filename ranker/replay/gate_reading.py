"""Reads the rows that the gate judges, in the order in which their rewards became known."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.gate import GateRows
from ranker.replay.readers import LogFormat, ReadOptions, parts_of, read_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.replay.logged_batch import LoggedBatch

    Floats: TypeAlias = NDArray[np.float64]

_SEQUENCE = "sequence"


def gate_rows(log: Path, candidate: str, incumbent: str | None) -> Iterator[GateRows]:
    """Give rewards and weights from the columns `candidate` and `incumbent` of a log.

    A reward of our export may be joined days after its decision, in the middle of the file: there the order
    is that of joining (`sequence`), which only ever grows. Any other log is taken as it stands.
    """
    columns = (candidate,) if incumbent is None else (candidate, incumbent)
    if all(part.format is LogFormat.EXPORT for part in parts_of(log)):
        yield from _in_order_of_joining(log, columns)
        return
    for batch in read_log(log, ReadOptions(contexts=columns, max_bad_ratio=0.0)):
        yield _rows(batch, columns)


def _in_order_of_joining(log: Path, columns: tuple[str, ...]) -> Iterator[GateRows]:
    """Hold four numbers a row, because the file is in another order."""
    options = ReadOptions(contexts=(*columns, _SEQUENCE), max_bad_ratio=0.0)
    held = [
        (batch.contexts[_SEQUENCE], _rows(batch, columns))
        for batch in read_log(log, options)
        if batch.num_rows
    ]
    if not held:
        return
    order = np.argsort(np.concatenate([sequence for sequence, _ in held]), kind="stable")
    joined = [
        np.concatenate([getattr(rows, name) for _, rows in held])[order]
        for name in ("rewards", "weights", "incumbent_weights")
    ]
    yield GateRows(*joined)


def _rows(batch: LoggedBatch, columns: tuple[str, ...]) -> GateRows:
    ones = np.ones(batch.num_rows)
    weights = [_propensities(batch, name) / batch.propensities for name in columns]
    return GateRows(batch.rewards, weights[0], weights[1] if len(weights) > 1 else ones)


def _propensities(batch: LoggedBatch, name: str) -> Floats:
    values = batch.contexts[name]
    if values.dtype.kind != "f":
        raise InvalidInputError(name, str(values[:1]), "must be a column of numbers")
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        i = int(np.argmax(bad))
        raise InvalidInputError(f"{name}[{i}]", float(values[i]), "must lie in [0, 1]")
    found: Floats = values
    return found
