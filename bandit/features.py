"""Where each feature's weights lie: every (context field, id) and (slot, element) is one row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bandit.elements import design
from bandit.errors import CatalogueError, ContextError
from bandit.feasible import ANY, FeasibleSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bandit.space import CreativeCatalogue, CreativeSpace

RowArray: TypeAlias = NDArray[np.int32]
ABSENT = -1
"""Row of a field that a space does not use."""


@dataclass(frozen=True)
class RowGroup:
    """The rows of a context field or slot: start … stop − 1, and their features (n, P)."""

    start: int
    stop: int
    design: NDArray[np.float64]


@dataclass(frozen=True)
class IndexedSpace:
    """One creative space in terms of rows.

    `rows` (E,) lists the rows of the space's elements, slot by slot, and `names` what they are; the elements
    of slot s are offsets[s] … offsets[s + 1] − 1. Creatives are numbered by `feasible`.
    """

    space: CreativeSpace
    rows: RowArray
    names: tuple[tuple[str, str], ...]
    offsets: RowArray
    feasible: FeasibleSet
    feasible_hash: str

    def creative(self, number: int) -> dict[str, str]:
        """Names the element of each slot of a creative."""
        places = zip(self.offsets[:-1].tolist(), self.feasible.composition(number), strict=True)
        return dict(self.names[offset + element] for offset, element in places)

    def compositions(self) -> RowArray:
        """Lists every creative as positions in `rows`: (C, S)."""
        numbers = [self.feasible.composition(number) for number in range(self.feasible.count)]
        return np.array(numbers, np.int32) + self.offsets[:-1]


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

    def groups(self) -> list[RowGroup]:
        """Lists the rows of each field and slot, with the features of elements."""
        groups, start = [], 0
        for item in self.catalogue.context_fields:
            groups.append(RowGroup(start, start + item.size, np.empty((item.size, 0))))
            start += item.size
        for slot in self.catalogue.slots:
            stop = start + len(slot.elements)
            groups.append(RowGroup(start, stop, design(slot.elements, slot.features)))
            start = stop
        return groups

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
        sizes = tuple(len(allowed) for allowed in space.elements.values())
        rules = tuple(_numbered(rule, space) for rule in space.incompatible)
        digest = hashlib.sha256(repr((space.id, names, rules)).encode()).hexdigest()[:16]
        rows = np.array([self._element_rows[name] for name in names], np.int32)
        offsets = np.array([0, *accumulate(sizes)], np.int32)
        try:
            return IndexedSpace(space, rows, names, offsets, FeasibleSet(sizes, rules), digest)
        except CatalogueError as error:
            raise CatalogueError(f"spaces[{space_id}].{error.field}", error.value, error.problem) from error


def _numbered(rule: tuple[tuple[str, str], ...], space: CreativeSpace) -> tuple[int, ...]:
    """Writes a rule as one element number a slot, ANY where it names none."""
    named = dict(rule)
    return tuple(
        allowed.index(named[slot]) if slot in named else ANY for slot, allowed in space.elements.items()
    )
