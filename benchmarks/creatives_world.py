"""The simulated creatives that AutoCO was published with, rebuilt from what its authors released.

Chen et al. (2021), Automated creative optimization for e-commerce advertising. 167 items of two context
features, 90 creatives of four slots, each item with creatives that it may not show; all click rates known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bandit.features import IndexedSpace

SLOT_SIZES = (2, 3, 3, 5)
NUM_CREATIVES = 90


@dataclass(frozen=True)
class World:
    """items (167, 2), creatives (90, 4), feasible (167, 90), ctr (167, 90)."""

    items: NDArray[np.int64]
    creatives: NDArray[np.int64]
    feasible: NDArray[np.bool_]
    ctr: NDArray[np.float64]

    @classmethod
    def load(cls, path: Path) -> World:
        """Reads the rebuilt world."""
        with np.load(path, allow_pickle=False) as data:
            return cls(data["ctx"], data["cre"], data["mask"], data["C"])

    def catalogue(self) -> tuple[CreativeCatalogue, NDArray[np.int64]]:
        """Builds a space for each distinct set of feasible creatives; returns each item's space too."""
        masks, space_of = np.unique(self.feasible, axis=0, return_inverse=True)
        spaces = tuple(self._space(f"set{number}", mask) for number, mask in enumerate(masks))
        slots = tuple(Slot(f"s{s}", tuple(map(str, range(size)))) for s, size in enumerate(SLOT_SIZES))
        fields = (ContextField("category", 4), ContextField("template", 55))
        return CreativeCatalogue(fields, slots, spaces), space_of

    def _space(self, name: str, mask: NDArray[np.bool_]) -> CreativeSpace:
        allowed = [sorted(set(column.tolist())) for column in self.creatives[mask].T]
        shown = {tuple(row) for row in self.creatives[mask].tolist()}
        elements = {f"s{s}": tuple(map(str, values)) for s, values in enumerate(allowed)}
        rules = [
            tuple((f"s{s}", str(value)) for s, value in enumerate(row))
            for row in product(*allowed)
            if row not in shown
        ]
        return CreativeSpace(name, ("category", "template"), elements, tuple(rules))


def all_rows(world: World) -> NDArray[np.int32]:
    """Feature rows (167, 90, 6) of every creative of every item."""
    rows = np.empty((len(world.items), NUM_CREATIVES, 6), np.int32)
    rows[:, :, :2] = (world.items + np.array([0, 4]))[:, None, :]
    rows[:, :, 2:] = world.creatives + np.cumsum([59, *SLOT_SIZES[:-1]])
    return rows


def numbered(spaces: list[IndexedSpace], creatives: list[dict[str, str]]) -> list[NDArray[np.int64]]:
    """Finds the place in `creatives` of each creative of each space, in the order of its feasible set."""
    number = {tuple(sorted(creative.items())): place for place, creative in enumerate(creatives)}
    return [
        np.array([number[tuple(sorted(space.creative(c).items()))] for c in range(space.feasible.count)])
        for space in spaces
    ]


def with_compositions(
    rows: NDArray[np.int32],
    spaces: list[IndexedSpace],
    creatives: list[NDArray[np.int64]],
    space_of: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Adds the column of compositions, where they have rows, to those of every creative of every item."""
    if not any(space.composition_rows.size for space in spaces):
        return rows
    column = np.full((*rows.shape[:2], 1), -1, np.int32)
    for item, space in enumerate(space_of):
        if spaces[space].composition_rows.size:
            column[item, creatives[space], 0] = spaces[space].composition_rows
    return np.concatenate([rows, column], axis=2)
