"""The sufficient statistics of the position-based model: impressions and clicks by item and position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.click_log import ClickLog

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Impressions and clicks of the m shown (item, position) pairs, sorted by item, then position."""

    starts: Ints  # (num_items + 1,), item i has the cells starts[i]:starts[i + 1]
    position: Ints  # (m,)
    impressions: Floats  # (m,), > 0
    clicks: Floats  # (m,), ≤ impressions
    num_positions: int

    def __post_init__(self) -> None:
        for name in ("position", "impressions", "clicks"):
            if len(getattr(self, name)) != self.starts[-1]:
                raise InvalidInputError(f"counts.{name}.shape", getattr(self, name).shape, "must fit starts")
        wrong = (self.clicks < 0) | (self.clicks > self.impressions) | (self.impressions <= 0)
        if wrong.any():
            at = int(np.argmax(wrong))
            pair = (float(self.clicks[at]), float(self.impressions[at]))
            raise InvalidInputError(
                f"counts[{at}]", pair, "clicks must lie in 0..impressions, impressions > 0"
            )

    @property
    def num_items(self) -> int:
        """Returns the number of item codes, shown or not."""
        return len(self.starts) - 1

    @property
    def item(self) -> Ints:
        """Returns (m,): the item of each cell."""
        return np.repeat(np.arange(self.num_items), np.diff(self.starts))

    def by_position(self) -> tuple[Floats, Floats]:
        """Returns impressions (k,) and clicks (k,)."""
        impressions, clicks = (
            np.bincount(self.position, weights, self.num_positions).astype(np.float64)
            for weights in (self.impressions, self.clicks)
        )
        return impressions, clicks


def aggregate(log: ClickLog, *, num_items: int | None = None) -> Counts:
    """Returns the counts of a log; `num_items` where more items are known than this log shows."""
    k, num_items = log.num_positions, num_items or log.num_items
    size = num_items * k
    key = log.item * k + log.position
    # A dense table is fastest, unless most pairs were never shown.
    if size <= 8 * len(key) + 1024:
        impressions = np.bincount(key, minlength=size)
        clicks = np.bincount(key[log.click], minlength=size)
        cells = np.flatnonzero(impressions)
        impressions, clicks = impressions[cells], clicks[cells]
    else:
        cells, cell, impressions = np.unique(key, return_inverse=True, return_counts=True)
        clicks = np.bincount(cell[log.click], minlength=len(cells))
    starts = np.searchsorted(cells, np.arange(num_items + 1) * k)
    return Counts(
        starts.astype(np.int64), cells % k, impressions.astype(np.float64), clicks.astype(np.float64), k
    )
