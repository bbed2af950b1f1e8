"""Takes clear losers out of a catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bandit.errors import CreativeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bandit.insight import ElementInsight
    from bandit.space import CreativeCatalogue, CreativeSpace


@dataclass(frozen=True)
class RetirementRule:
    """When an element is a clear loser."""

    min_impressions: float = 1_000
    """Impressions that it has had at least."""
    max_probability: float = 0.01
    """Posterior probability, at most, that it is within the margin of its slot's best."""
    min_left: int = 2
    """Elements that a slot keeps, the best ones."""

    def __post_init__(self) -> None:
        if not self.min_impressions >= 0.0:
            raise CreativeError("min_impressions", self.min_impressions, "must be at least 0")
        if not 0.0 <= self.max_probability < 1.0:
            raise CreativeError("max_probability", self.max_probability, "must be in [0, 1)")
        if self.min_left < 1:
            raise CreativeError("min_left", self.min_left, "must be at least 1")


def losers(insights: Sequence[ElementInsight], rule: RetirementRule) -> list[ElementInsight]:
    """Lists the elements of a space to retire, the least likely first, slot by slot."""
    found = []
    for slot in dict.fromkeys(insight.slot for insight in insights):
        members = sorted((i for i in insights if i.slot == slot), key=lambda i: (i.near_best, i.effect))
        clear = [
            i
            for i in members
            if i.num_impressions >= rule.min_impressions and i.near_best <= rule.max_probability
        ]
        found += clear[: max(0, len(members) - rule.min_left)]
    return found


def without(
    catalogue: CreativeCatalogue, retired: Mapping[str, Sequence[ElementInsight]]
) -> CreativeCatalogue:
    """Takes elements out of spaces; they stay in their slots, because outcomes still arrive."""
    return replace(
        catalogue,
        spaces=tuple(
            _thinned(space, {(i.slot, i.element) for i in retired.get(space.id, ())})
            for space in catalogue.spaces
        ),
    )


def _thinned(space: CreativeSpace, gone: set[tuple[str, str]]) -> CreativeSpace:
    elements = {
        slot: tuple(name for name in names if (slot, name) not in gone)
        for slot, names in space.elements.items()
    }
    rules = tuple(rule for rule in space.incompatible if not gone.intersection(rule))
    return replace(space, elements=elements, incompatible=rules)
