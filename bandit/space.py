"""Creative spaces as data: what can be assembled, in which contexts, under which rules."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from bandit.elements import checked_features
from bandit.errors import CatalogueError, UnknownSpaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bandit.elements import FeatureValue

Element: TypeAlias = tuple[str, str]
"""Slot name and element name."""


@dataclass(frozen=True)
class ContextField:
    """A feature of the request: ids 0 … size − 1."""

    name: str
    size: int

    def __post_init__(self) -> None:
        _require_name("context_fields.name", self.name)
        if type(self.size) is not int or self.size < 1:
            raise CatalogueError(f"context_fields[{self.name}].size", self.size, "must be an integer ≥ 1")


@dataclass(frozen=True)
class Slot:
    """A place in a creative and every element that was ever made for it.

    `features` tells of each element what new ones may resemble it in: all elements or none have them.
    """

    name: str
    elements: tuple[str, ...]
    features: Mapping[str, Mapping[str, FeatureValue]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_name("slots.name", self.name)
        where = f"slots[{self.name}]"
        _require_distinct(f"{where}.elements", self.elements)
        if not self.elements:
            raise CatalogueError(f"{where}.elements", self.elements, "needs at least one element")
        features = checked_features(f"{where}.features", self.elements, self.features)
        object.__setattr__(self, "features", features)


@dataclass(frozen=True)
class CreativeSpace:
    """The creatives of one kind of ad: a product of slots less the incompatible combinations.

    Each entry of `incompatible` lists elements of two or more distinct slots that may not all come together.
    `elements` maps each slot of the space to its allowed elements: no slot at all means every slot of the
    catalogue, an empty tuple every element of the slot. The catalogue writes both out.
    """

    id: str
    context_fields: tuple[str, ...] = ()
    elements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    incompatible: tuple[tuple[Element, ...], ...] = ()


@dataclass(frozen=True)
class CreativeCatalogue:
    """Everything one factorization machine learns about: context fields, slots and spaces.

    Raises:
        CatalogueError: names the part that contradicts the rest, and its value.
    """

    context_fields: tuple[ContextField, ...]
    slots: tuple[Slot, ...]
    spaces: tuple[CreativeSpace, ...]

    def __post_init__(self) -> None:
        _require_distinct("context_fields.name", [field.name for field in self.context_fields])
        _require_distinct("slots.name", [slot.name for slot in self.slots])
        _require_distinct("spaces.id", [space.id for space in self.spaces])
        object.__setattr__(self, "spaces", tuple(self._written_out(space) for space in self.spaces))

    @classmethod
    def from_json(cls, text: str) -> CreativeCatalogue:
        """Reads a catalogue; a key that it does not know is an error."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise CatalogueError("catalogue", text[:40], f"is not JSON: {error}") from error
        parts = _record(cls, "catalogue", data)
        return cls(
            tuple(
                ContextField(**_record(ContextField, "context_fields", item))
                for item in _list("context_fields", parts["context_fields"])
            ),
            tuple(_slot(item) for item in _list("slots", parts["slots"])),
            tuple(_space(item) for item in _list("spaces", parts["spaces"])),
        )

    def to_json(self) -> str:
        """Writes the catalogue canonically: equal catalogues give equal bytes."""
        spaces = [
            {
                "id": space.id,
                "context_fields": space.context_fields,
                "elements": dict(space.elements),
                "incompatible": space.incompatible,
            }
            for space in self.spaces
        ]
        data = {
            "context_fields": [asdict(item) for item in self.context_fields],
            "slots": [_written_slot(slot) for slot in self.slots],
            "spaces": spaces,
        }
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    @cached_property
    def version(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical text."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def space(self, space_id: str) -> CreativeSpace:
        """Finds a space by its id; raises UnknownSpaceError."""
        try:
            return self._spaces[space_id]
        except KeyError:
            raise UnknownSpaceError("space_id", space_id, f"not among {sorted(self._spaces)}") from None

    @cached_property
    def _spaces(self) -> dict[str, CreativeSpace]:
        return {space.id: space for space in self.spaces}

    def _written_out(self, space: CreativeSpace) -> CreativeSpace:
        where = f"spaces[{space.id}]"
        _require_name("spaces.id", space.id)
        _require_known(f"{where}.context_fields", space.context_fields, [f.name for f in self.context_fields])
        _require_known(f"{where}.elements", space.elements, [slot.name for slot in self.slots])
        elements = {
            slot.name: _allowed(f"{where}.elements[{slot.name}]", space.elements.get(slot.name, ()), slot)
            for slot in self.slots
            if slot.name in space.elements or not space.elements
        }
        if not elements:
            raise CatalogueError(f"{where}.elements", dict(space.elements), "needs at least one slot")
        names = [item.name for item in self.context_fields if item.name in space.context_fields]
        rules = {_in_slot_order(f"{where}.incompatible", rule, elements) for rule in space.incompatible}
        return CreativeSpace(space.id, tuple(names), MappingProxyType(elements), tuple(sorted(rules)))


def _allowed(where: str, names: tuple[str, ...], slot: Slot) -> tuple[str, ...]:
    _require_known(where, names, slot.elements)
    return tuple(name for name in slot.elements if name in names) if names else slot.elements


def _in_slot_order(
    where: str, rule: tuple[Element, ...], elements: Mapping[str, tuple[str, ...]]
) -> tuple[Element, ...]:
    for slot, element in rule:
        if element not in elements.get(slot, ()):
            raise CatalogueError(where, (slot, element), "is not an element of this space")
    if len(rule) < 2 or len({slot for slot, _ in rule}) < len(rule):
        raise CatalogueError(where, rule, "must combine elements of two or more distinct slots")
    slots = list(elements)
    return tuple(sorted(rule, key=lambda element: slots.index(element[0])))


def _require_name(where: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise CatalogueError(where, name, "must be a non-empty string")


def _require_distinct(where: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        _require_name(where, name)
        if name in seen:
            raise CatalogueError(where, name, "is given twice")
        seen.add(name)


def _require_known(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    _require_distinct(where, names)
    for name in names:
        if name not in known:
            raise CatalogueError(where, name, f"not among {list(known)}")


_OPTIONAL: dict[type, set[str]] = {
    CreativeSpace: {"context_fields", "elements", "incompatible"},
    Slot: {"features"},
}


def _record(kind: type[Any], where: str, data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise CatalogueError(where, data, "must be an object")
    known = {item.name for item in fields(kind)}
    for name in data:
        if name not in known:
            raise CatalogueError(f"{where}.{name}", data[name], f"unknown key, not among {sorted(known)}")
    for name in sorted(known - _OPTIONAL.get(kind, set())):
        if name not in data:
            raise CatalogueError(f"{where}.{name}", None, "is missing")
    return data


def _list(where: str, value: object) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise CatalogueError(where, value, "must be a list")
    return tuple(value)


def _slot(item: object) -> Slot:
    data = _record(Slot, "slots", item)
    features = data.get("features", {})
    if not isinstance(features, dict) or not all(isinstance(values, dict) for values in features.values()):
        raise CatalogueError("slots.features", features, "must map elements to objects of features")
    return Slot(data["name"], _list("slots.elements", data["elements"]), features)


def _written_slot(slot: Slot) -> dict[str, object]:
    written: dict[str, object] = {"name": slot.name, "elements": slot.elements}
    if slot.features:
        written["features"] = {element: dict(values) for element, values in slot.features.items()}
    return written


def _space(item: object) -> CreativeSpace:
    data = _record(CreativeSpace, "spaces", item)
    elements = data.get("elements", {})
    if not isinstance(elements, dict):
        raise CatalogueError("spaces.elements", elements, "must map slots to lists of elements")
    return CreativeSpace(
        data["id"],
        _list("spaces.context_fields", data.get("context_fields", [])),
        {slot: _list(f"spaces.elements[{slot}]", names) for slot, names in elements.items()},
        tuple(_rule(rule) for rule in _list("spaces.incompatible", data.get("incompatible", []))),
    )


def _rule(value: object) -> tuple[Element, ...]:
    rule = _list("spaces.incompatible", value)
    for element in rule:
        match element:
            case [str(), str()]:
                pass
            case _:
                raise CatalogueError("spaces.incompatible", value, "must be a list of [slot, element]")
    return tuple((slot, element) for slot, element in rule)
