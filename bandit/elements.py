"""Features of elements: what is known of a picture or headline before it is shown."""

from __future__ import annotations

from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from bandit.errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bandit.fm import FloatArray

FeatureValue: TypeAlias = "str | float | tuple[float, ...]"
"""A category (an advertiser, a layout), a number, or a vector (a text or image embedding)."""


def checked_features(
    where: str, elements: Sequence[str], features: Mapping[str, Mapping[str, object]]
) -> Mapping[str, Mapping[str, FeatureValue]]:
    """Checks that every element of a slot has the same features of the same kinds; returns them frozen.

    Raises:
        CatalogueError: names the element and feature that is missing, unknown or of a wrong kind.
    """
    if not features:
        return MappingProxyType({})
    for name in features:
        if name not in elements:
            raise CatalogueError(f"{where}[{name}]", dict(features[name]), "is not an element of the slot")
    frozen = {}
    first: dict[str, FeatureValue] | None = None
    for element in elements:
        if element not in features:
            raise CatalogueError(f"{where}[{element}]", None, "is missing: other elements have features")
        values = {
            name: _value(f"{where}[{element}].{name}", value)
            for name, value in sorted(features[element].items())
        }
        first = first or values
        _require_alike(f"{where}[{element}]", values, first)
        frozen[element] = MappingProxyType(values)
    return MappingProxyType(frozen)


def design(elements: Sequence[str], features: Mapping[str, Mapping[str, FeatureValue]]) -> FloatArray:
    """Writes the features of a slot's elements as columns (n, P).

    A category gives a column for each of its values; every column is standardised over the slot (one that
    does not vary becomes 0), so that features tell elements apart and not slots.
    """
    columns = [np.empty((len(elements), 0))]
    for name in features[elements[0]] if features else ():
        values = [features[element][name] for element in elements]
        if isinstance(values[0], str):
            levels = sorted({str(value) for value in values})
            columns.append(np.array([[float(value == level) for level in levels] for value in values]))
        else:
            columns.append(np.array(values, np.float64).reshape(len(elements), -1))
    return _standardised(np.concatenate(columns, axis=1))


def _standardised(values: FloatArray) -> FloatArray:
    deviation = values.std(axis=0)
    centred = values - values.mean(axis=0)
    standardised: FloatArray = np.divide(
        centred, deviation, out=np.zeros_like(values), where=deviation > 1e-12
    )
    return standardised


def _value(where: str, value: object) -> FeatureValue:
    if isinstance(value, str) and value:
        return value
    if _is_number(value):
        return float(value)  # type: ignore[arg-type]  # a number, as just asked
    if isinstance(value, list | tuple) and value and all(map(_is_number, value)):
        return tuple(map(float, value))
    raise CatalogueError(where, value, "must be a text, a finite number or a list of finite numbers")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _require_alike(where: str, values: Mapping[str, FeatureValue], first: Mapping[str, FeatureValue]) -> None:
    if values.keys() != first.keys():
        raise CatalogueError(where, sorted(values), f"must have the features {sorted(first)}")
    for name, value in values.items():
        if _kind(value) != _kind(first[name]):
            problem = f"is {_kind(value)}, other elements have {_kind(first[name])}"
            raise CatalogueError(f"{where}.{name}", value, problem)


def _kind(value: FeatureValue) -> str:
    if isinstance(value, tuple):
        return f"a vector of {len(value)}"
    return "a text" if isinstance(value, str) else "a number"
