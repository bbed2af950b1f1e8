"""The feasible creatives of a space, however many: counted, numbered and picked without listing them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, product
from math import prod

from bandit.errors import CatalogueError

ANY = -1
"""A rule's entry for a slot that it does not mind."""
MAX_CLASSES = 200_000
"""Combinations of elements that rules tell apart, in one space."""


@dataclass(frozen=True)
class FeasibleSet:
    """All compositions of slots with `sizes` elements that break no rule.

    A composition is one element number a slot. A rule gives an element number or ANY for each slot and
    forbids the compositions that agree with it. Elements that no rule mentions are interchangeable, so the
    set is a union of boxes, one for each combination of mentioned elements: it can be counted and numbered.
    """

    sizes: tuple[int, ...]
    rules: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        num_classes = prod(len(choices) for choices in self._classes)
        if num_classes > MAX_CLASSES:
            problem = f"tell {num_classes} combinations apart, more than the {MAX_CLASSES} supported"
            raise CatalogueError("rules", len(self.rules), problem)
        if not self.count:
            raise CatalogueError("rules", self.rules, "leave no creative")

    @property
    def count(self) -> int:
        """Number of feasible compositions, exactly."""
        return self._ends[-1] if self._ends else 0

    def composition(self, number: int) -> tuple[int, ...]:
        """Finds the composition of a number in [0, count)."""
        box = bisect_right(self._ends, number)
        rest = number - (self._ends[box - 1] if box else 0)
        elements = []
        for choices in reversed(self._boxes[box]):
            rest, place = divmod(rest, len(choices))
            elements.append(choices[place])
        return tuple(reversed(elements))

    def number(self, composition: tuple[int, ...]) -> int:
        """Finds the number of a feasible composition: the inverse of `composition`; raises CatalogueError."""
        key = tuple(classes[element] for classes, element in zip(self._class_of, composition, strict=True))
        box = self._box_of.get(key)
        if box is None:
            raise CatalogueError("composition", composition, "is forbidden by a rule")
        rest = 0
        for choices, element in zip(self._boxes[box], composition, strict=True):
            rest = rest * len(choices) + choices.index(element)
        return rest + (self._ends[box - 1] if box else 0)

    def element_counts(self) -> list[list[int]]:
        """Counts, for each slot, the feasible compositions that contain each of its elements."""
        counts = [[0] * size for size in self.sizes]
        for box in self._boxes:
            volume = prod(len(choices) for choices in box)
            for slot, choices in enumerate(box):
                for element in choices:
                    counts[slot][element] += volume // len(choices)
        return counts

    @cached_property
    def _classes(self) -> list[list[tuple[int, ...]]]:
        """For each slot: every mentioned element alone, then all others together."""
        classes = []
        for slot, size in enumerate(self.sizes):
            mentioned = {rule[slot] for rule in self.rules} - {ANY}
            others = tuple(element for element in range(size) if element not in mentioned)
            classes.append([(element,) for element in sorted(mentioned)] + ([others] if others else []))
        return classes

    @cached_property
    def _class_of(self) -> list[dict[int, int]]:
        return [
            {element: number for number, choices in enumerate(classes) for element in choices}
            for classes in self._classes
        ]

    @cached_property
    def _boxes(self) -> list[tuple[tuple[int, ...], ...]]:
        return [box for box in product(*self._classes) if not any(_forbids(rule, box) for rule in self.rules)]

    @cached_property
    def _box_of(self) -> dict[tuple[int, ...], int]:
        keys = (
            tuple(classes[choices[0]] for classes, choices in zip(self._class_of, box, strict=True))
            for box in self._boxes
        )
        return {key: number for number, key in enumerate(keys)}

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(prod(len(choices) for choices in box) for box in self._boxes))


def _forbids(rule: tuple[int, ...], box: tuple[tuple[int, ...], ...]) -> bool:
    # A mentioned element is a class of its own, so a rule takes a box as a whole or not at all.
    return all(element in (ANY, choices[0]) for element, choices in zip(rule, box, strict=True))
