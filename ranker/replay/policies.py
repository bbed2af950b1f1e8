"""Policies that replay can judge without any code of theirs: from a column of the log, or from a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ranker.replay.logged_batch import LoggedBatch

    Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ColumnPolicy:
    """Its π(aᵢ|xᵢ) is a column of the log, which must be read as a context."""

    name: str
    column: str

    def propensities(self, batch: LoggedBatch) -> Floats:
        """Return the column, `(n,)`."""
        if self.column not in batch.contexts:
            raise InvalidInputError(self.column, sorted(batch.contexts), "is no column that was read")
        values = batch.contexts[self.column]
        if values.dtype.kind != "f":
            raise InvalidInputError(self.column, str(values[:1]), "must be a column of numbers")
        bad = ~((values >= 0) & (values <= 1))
        if bad.any():
            i = int(np.argmax(bad))
            raise InvalidInputError(f"{self.column}[{i}]", float(values[i]), "must lie in [0, 1]")
        found: Floats = values
        return found


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """Ignores the context: P(action at position) by name; what it does not name it never does."""

    name: str
    chances: Mapping[str, tuple[float, ...]]  # by action, one a position

    def __post_init__(self) -> None:
        for action, row in self.chances.items():
            if not all(0 <= chance <= 1 for chance in row):
                raise InvalidInputError(f"chances[{action}]", row, "must lie in [0, 1]")
        table = np.array(list(self.chances.values()))
        if table.ndim != 2 or not np.allclose(table.sum(axis=0), 1):
            raise InvalidInputError("chances", len(self.chances), "must sum to 1 at every position")

    def distribution(self, batch: LoggedBatch) -> Floats:
        """Return π(a) at the logged position for every action of the batch, `(n, A)`."""
        num_positions = len(next(iter(self.chances.values())))
        if batch.num_rows and int(batch.positions.max()) >= num_positions:
            raise InvalidInputError(
                "position", int(batch.positions.max()), f"policy {self.name} has only {num_positions}"
            )
        never = (0.0,) * num_positions
        table = np.array([self.chances.get(action, never) for action in batch.action_names])
        chances: Floats = table.T[batch.positions]
        return chances

    def propensities(self, batch: LoggedBatch) -> Floats:
        """Return π(aᵢ) at the logged position, `(n,)`."""
        chances: Floats = self.distribution(batch)[np.arange(batch.num_rows), batch.actions]
        return chances
