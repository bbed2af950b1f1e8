"""Where each feature's weights lie: every (context field, id), (slot, element) and small composition."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, product
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bandit.elements import design
from bandit.errors import CatalogueError, ContextError
from bandit.feasible import ANY, FeasibleSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bandit.space import CreativeCatalogue, CreativeSpace, Slot

RowArray: TypeAlias = NDArray[np.int32]
ABSENT = -1
"""Row of a field that a space does not use."""
MAX_COMPOSITIONS = 1_000
"""Two slots or more whose elements make up to so many compositions have a row for each of them."""


@dataclass(frozen=True)
class RowGroup:
    """The rows of a context field, slot or composition: start … stop − 1, and their features (n, P).

    `elements` (n, S): of compositions, the rows of their elements.
    """

    start: int
    stop: int
    design: NDArray[np.float64]
    elements: RowArray | None = None


@dataclass(frozen=True)
class IndexedSpace:
    """One creative space in terms of rows.

    `rows` (E,) lists the rows of the space's elements, slot by slot, and `names` what they are; the elements
    of slot s are offsets[s] … offsets[s + 1] − 1. Creatives are numbered by `feasible`; `composition_rows`
    are the rows of their compositions (C,), or empty where those have none.
    """

    space: CreativeSpace
    rows: RowArray
    names: tuple[tuple[str, str], ...]
    offsets: RowArray
    feasible: FeasibleSet
    feasible_hash: str
    composition_rows: RowArray

    def creative(self, number: int) -> dict[str, str]:
        """Names the element of each slot of a creative."""
        places = zip(self.offsets[:-1].tolist(), self.feasible.composition(number), strict=True)
        return dict(self.names[offset + element] for offset, element in places)

    def compositions(self) -> RowArray:
        """Lists every creative as positions in `rows`: (C, S)."""
        numbers = [self.feasible.composition(number) for number in range(self.feasible.count)]
        return np.array(numbers, np.int32) + self.offsets[:-1]


class FeatureIndex:
    """The rows of a catalogue: context fields first, then slots, each in catalogue order, then compositions.

    A creative in its context is a vector (A,) of rows, one column a field, ABSENT where unused. Where slots
    are few enough that their compositions have rows, the last column is the composition's.
    """

    def __init__(self, catalogue: CreativeCatalogue) -> None:
        self.catalogue = catalogue
        sizes = [item.size for item in catalogue.context_fields] + [
            len(slot.elements) for slot in catalogue.slots
        ]
        offsets = [0, *accumulate(sizes)]
        self.num_element_rows = offsets[-1]
        self._composed = _composed_slots(catalogue)
        counts = [prod(len(slot.elements) for slot in slots) for slots in self._composed]
        starts = accumulate(counts, initial=self.num_element_rows)
        self._composition_starts = dict(zip(map(_names, self._composed), starts, strict=False))
        self.num_rows = self.num_element_rows + sum(counts)
        self.num_fields = len(sizes) + bool(self._composed)
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
        compositions = [
            (json.dumps(_names(slots)), json.dumps(elements))
            for slots in self._composed
            for elements in product(*(slot.elements for slot in slots))
        ]
        return context + list(self._element_rows) + compositions

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
        for slots in self._composed:
            rows = [[self._element_rows[slot.name, name] for name in slot.elements] for slot in slots]
            elements = np.array(list(product(*rows)), np.int32)
            stop = start + len(elements)
            groups.append(RowGroup(start, stop, np.empty((stop - start, 0)), elements))
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
        if self._composed:
            rows[-1] = self._composition_row(elements)
        return rows

    def _composition_row(self, elements: Mapping[str, str]) -> int:
        """Finds the row of a composition, ABSENT where it has none: a mixed radix number, last slot first."""
        slots = tuple(slot for slot in self.catalogue.slots if slot.name in elements)
        row = self._composition_starts.get(_names(slots))
        if row is None:
            return ABSENT
        stride = 1
        for slot in reversed(slots):
            first = self._element_rows[slot.name, slot.elements[0]]
            row += stride * (self._element_rows[slot.name, elements[slot.name]] - first)
            stride *= len(slot.elements)
        return row

    def _indexed(self, space_id: str) -> IndexedSpace:
        catalogue, space = self.catalogue, self.catalogue.space(space_id)
        names = tuple((slot, element) for slot, allowed in space.elements.items() for element in allowed)
        sizes = tuple(len(allowed) for allowed in space.elements.values())
        rules = tuple(_numbered(rule, space) for rule in space.incompatible)
        digest = hashlib.sha256(repr((space.id, names, rules)).encode()).hexdigest()[:16]
        rows = np.array([self._element_rows[name] for name in names], np.int32)
        offsets = np.array([0, *accumulate(sizes)], np.int32)
        try:
            feasible = FeasibleSet(sizes, rules)
        except CatalogueError as error:
            raise CatalogueError(f"spaces[{space_id}].{error.field}", error.value, error.problem) from error
        compositions = np.empty(0, np.int32)
        indexed = IndexedSpace(space, rows, names, offsets, feasible, digest, compositions)
        slots = _slots_of(space, catalogue)
        if _names(slots) in self._composition_starts:
            found = [self._composition_row(indexed.creative(number)) for number in range(feasible.count)]
            indexed = replace(indexed, composition_rows=np.array(found, np.int32))
        return indexed


def _composed_slots(catalogue: CreativeCatalogue) -> list[tuple[Slot, ...]]:
    """Lists the sets of slots whose compositions have rows: those of a space, two at least, not too many."""
    used = {_names(slots): slots for slots in (_slots_of(space, catalogue) for space in catalogue.spaces)}
    return [
        slots
        for slots in used.values()
        if len(slots) > 1 and prod(len(slot.elements) for slot in slots) <= MAX_COMPOSITIONS
    ]


def _slots_of(space: CreativeSpace, catalogue: CreativeCatalogue) -> tuple[Slot, ...]:
    return tuple(slot for slot in catalogue.slots if slot.name in space.elements)


def _names(slots: Iterable[Slot]) -> tuple[str, ...]:
    return tuple(slot.name for slot in slots)


def _numbered(rule: tuple[tuple[str, str], ...], space: CreativeSpace) -> tuple[int, ...]:
    """Writes a rule as one element number a slot, ANY where it names none."""
    named = dict(rule)
    return tuple(
        allowed.index(named[slot]) if slot in named else ANY for slot, allowed in space.elements.items()
    )
