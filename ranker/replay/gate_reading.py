"""Reads the rows that the gate judges, in the order in which their rewards became known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ranker.replay.gate import GateRows
from ranker.replay.readers import LogFormat, parts_of, read_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ranker.replay.logged_batch import LoggedBatch, Policy
    from ranker.replay.readers import ReadOptions

_SEQUENCE = "sequence"


def gate_rows(
    log: Path, candidate: Policy, incumbent: Policy | None, options: ReadOptions
) -> Iterator[GateRows]:
    """Give rewards and weights of a log, of any format; `options` name the columns of the policies.

    A reward of our export may be joined days after its decision, in the middle of the file: there the order
    is that of joining (`sequence`), which only ever grows. Any other log is taken as it stands.
    """
    policies = (candidate,) if incumbent is None else (candidate, incumbent)
    if all(part.format is LogFormat.EXPORT for part in parts_of(log, options)):
        yield from _in_order_of_joining(log, policies, options)
        return
    for batch in read_log(log, options):
        yield _rows(batch, policies)


def _in_order_of_joining(log: Path, policies: tuple[Policy, ...], options: ReadOptions) -> Iterator[GateRows]:
    """Hold four numbers a row, because the file is in another order."""
    options = replace(options, contexts=(*options.contexts, _SEQUENCE))
    held = [
        (batch.contexts[_SEQUENCE], _rows(batch, policies))
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


def _rows(batch: LoggedBatch, policies: tuple[Policy, ...]) -> GateRows:
    ones = np.ones(batch.num_rows)
    weights = [policy.propensities(batch) / batch.propensities for policy in policies]
    return GateRows(batch.rewards, weights[0], weights[1] if len(weights) > 1 else ones)
