"""Whether logged propensities can be those by which was drawn, action by action.

Of a drawn action, 1[a drawn]/π₀(a|x) has mean 1 at every position where a is always eligible, and less where
it is not always: a mean above 1 has no excuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtri

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ranker.replay.logged_batch import LoggedBatch

    Floats: TypeAlias = NDArray[np.float64]

# Fewer draws tell nothing about a mean of inverse propensities.
MIN_DRAWS = 30


@dataclass(frozen=True, slots=True)
class InverseSums:
    """Sums of a log by action and position."""

    rows: Floats  # (k,), rows at each position
    draws: Floats  # (A, k)
    inverse: Floats  # (A, k), Σ 1/π₀
    squares: Floats  # (A, k), Σ 1/π₀²
    action_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PropensityCheck:
    """The verdict on the propensities of a log."""

    num_checked: int  # pairs of action and position with enough draws
    mean_inverse: Floats  # (num_checked,), 1 in expectation where the action is always eligible
    num_too_small: int  # pairs whose propensities are too small beyond doubt
    worst_action: str
    worst_position: int
    worst_z: float  # (mean − 1) in standard errors, of the pair furthest above

    @property
    def believable(self) -> bool:
        """Whether no action's propensities are too small beyond doubt."""
        return self.num_too_small == 0


def inverse_sums(batches: Iterable[LoggedBatch]) -> InverseSums:
    """Add up a stream of batches; codes stay the same within it."""
    parts = [(batch, _table(batch)) for batch in batches if batch.num_rows]
    if not parts:
        raise InvalidInputError("log", 0, "holds no usable row")
    names = parts[-1][0].action_names
    num_positions = max(table[0].shape[1] for _, table in parts)
    totals = np.zeros((3, len(names), num_positions))
    for _, table in parts:
        for total, part in zip(totals, table, strict=True):
            total[: part.shape[0], : part.shape[1]] += part
    return InverseSums(totals[0].sum(axis=0), totals[0], totals[1], totals[2], names)


def _table(batch: LoggedBatch) -> list[Floats]:
    num_actions, num_positions = len(batch.action_names), int(batch.positions.max()) + 1
    cell = batch.actions * num_positions + batch.positions
    inverse = 1 / batch.propensities
    return [
        np.bincount(cell, column, num_actions * num_positions)
        .reshape(num_actions, num_positions)
        .astype(np.float64)
        for column in (np.ones(batch.num_rows), inverse, inverse**2)
    ]


def check_propensities(sums: InverseSums, level: float = 0.99) -> PropensityCheck:
    """Test every action's mean inverse propensity against 1, all of them together at `level` (Bonferroni)."""
    enough = sums.draws >= MIN_DRAWS
    count = int(enough.sum())
    if count == 0:
        return PropensityCheck(0, np.empty(0), 0, "", 0, 0.0)
    n = np.broadcast_to(sums.rows, sums.draws.shape)
    mean = sums.inverse / np.maximum(n, 1)
    variance = np.maximum(sums.squares / np.maximum(n, 1) - mean**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(enough, (mean - 1) / np.sqrt(variance / n), -np.inf)
    z = np.nan_to_num(z, nan=0.0, posinf=np.inf, neginf=-np.inf)
    action, position = np.unravel_index(int(np.argmax(z)), z.shape)
    critical = -float(ndtri((1 - level) / count))
    return PropensityCheck(
        num_checked=count,
        mean_inverse=mean[enough],
        num_too_small=int((z > critical).sum()),
        worst_action=sums.action_names[action],
        worst_position=int(position),
        worst_z=float(z[action, position]),
    )
