"""Where each feature's weights lie: every (context field, id) and (slot, element) is one row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bandit.errors import CatalogueError, ContextError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bandit.space import CreativeCatalogue, CreativeSpace

RowArray: TypeAlias = NDArray[np.int32]
ABSENT = -1
"""Row of a field that a space does not use."""
MAX_COMPOSITIONS = 20_000
"""Spaces are enumerated up to this size."""


@dataclass(frozen=True)
class IndexedSpace:
    """One creative space in terms of rows.

    `elements` (E,) lists the rows of the space's elements, slot by slot; `compositions` (C, S) the feasible
    creatives in lexicographic order, each as positions in `elements`; `names` the slot and element of each.
    """

    space: CreativeSpace
    elements: RowArray
    names: tuple[tuple[str, str], ...]
    compositions: RowArray
    feasible_hash: str

    @property
    def num_compositions(self) -> int:
        """C, the number of feasible creatives."""
        return int(self.compositions.shape[0])

    def creative(self, composition: int) -> dict[str, str]:
        """Names the element of each slot in a composition."""
        return dict(self.names[position] for position in self.compositions[composition].tolist())


class FeatureIndex:
    """The rows of a catalogue: context fields first, then slots, each in catalogue order.

    A creative in its context is a vector (A,) of rows, one column a field, ABSENT where unused.
    """

    def __init__(self, catalogue: CreativeCatalogue) -> None:
        self.catalogue = catalogue
        sizes = [item.size for item in catalogue.context_fields] + [
            len(slot.elements) for slot in catalogue.slots
        ]
        offsets = [0, *accumulate(sizes)]
        self.num_rows = offsets[-1]
        self.num_fields = len(sizes)
        num_context = len(catalogue.context_fields)
        self._context = {
            item.name: (column, offsets[column], item.size)
            for column, item in enumerate(catalogue.context_fields)
        }
        self._columns = {slot.name: num_context + position for position, slot in enumerate(catalogue.slots)}
        self._element_rows = {
            (slot.name, element): offsets[num_context + position] + number
            for position, slot in enumerate(catalogue.slots)
            for number, element in enumerate(slot.elements)
        }
        self.space = cache(self._indexed)

    def row_names(self) -> list[tuple[str, str]]:
        """Names every row in order: field and id, or slot and element."""
        context = [
            (item.name, str(number)) for item in self.catalogue.context_fields for number in range(item.size)
        ]
        return context + list(self._element_rows)

    def context_rows(self, space: CreativeSpace, context: Mapping[str, int]) -> tuple[int, ...]:
        """Finds the rows of the context fields that the space uses; raises ContextError."""
        rows = []
        for name in space.context_fields:
            _, offset, size = self._context[name]
            value = context.get(name)
            # numpy integers are welcome, booleans and floats are somebody's mistake.
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 0 <= value < size:
                problem = "is missing" if name not in context else f"must be an integer in [0, {size})"
                raise ContextError(f"context[{name}]", value, problem)
            rows.append(offset + int(value))
        return tuple(rows)

    def rows(self, space_id: str, context: Mapping[str, int], elements: Mapping[str, str]) -> RowArray:
        """Finds the rows (A,) of a creative in its context.

        Elements that the space no longer allows still have their rows: outcomes arrive after a retirement.
        """
        space = self.catalogue.space(space_id)
        rows = np.full(self.num_fields, ABSENT, np.int32)
        for name, row in zip(space.context_fields, self.context_rows(space, context), strict=True):
            rows[self._context[name][0]] = row
        if set(elements) != set(space.elements):
            raise CatalogueError(
                "elements", dict(elements), f"must fill exactly the slots {list(space.elements)}"
            )
        for slot, element in elements.items():
            if (slot, element) not in self._element_rows:
                raise CatalogueError(f"elements[{slot}]", element, "is not an element of the catalogue")
            rows[self._columns[slot]] = self._element_rows[slot, element]
        return rows

    def _indexed(self, space_id: str) -> IndexedSpace:
        space = self.catalogue.space(space_id)
        names = tuple((slot, element) for slot, allowed in space.elements.items() for element in allowed)
        compositions = _feasible_compositions(space, names)
        digest = hashlib.sha256(repr((space.id, names)).encode() + compositions.tobytes()).hexdigest()[:16]
        elements = np.array([self._element_rows[name] for name in names], np.int32)
        return IndexedSpace(space, elements, names, compositions, digest)


def _feasible_compositions(space: CreativeSpace, names: tuple[tuple[str, str], ...]) -> RowArray:
    """Enumerates the compositions (C, S) that break no rule, in lexicographic order."""
    sizes = [len(allowed) for allowed in space.elements.values()]
    total = int(np.prod(sizes, dtype=object))
    if total > MAX_COMPOSITIONS:
        problem = f"has {total} compositions, more than the {MAX_COMPOSITIONS} that are enumerated"
        raise CatalogueError(f"spaces[{space.id}]", sizes, problem)
    offsets = np.array([0, *accumulate(sizes)][:-1], np.int32)
    grid = np.indices(sizes, dtype=np.int32).reshape(len(sizes), total).T + offsets
    feasible = np.ones(total, np.bool_)
    slots = list(space.elements)
    for rule in space.incompatible:
        clash = [grid[:, slots.index(slot)] == names.index((slot, element)) for slot, element in rule]
        feasible &= ~np.logical_and.reduce(clash)
    if not feasible.any():
        raise CatalogueError(f"spaces[{space.id}].incompatible", space.incompatible, "leaves no creative")
    return np.ascontiguousarray(grid[feasible])
