"""The feature schema: which columns a CTR model reads, in which order, and how text becomes ids."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from ranker.errors import InvalidInputError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

UNKNOWN = "<unknown>"
_SCHEMA_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Field:
    """A feature column.

    A categorical field has ids `0..num_ids-1`, where id 0 stands for every value that was unknown or too rare
    in training. With a `vocabulary` the column holds text and the id is the index into it; with a `size` the
    column holds the ids themselves; with neither, training builds the vocabulary from its own rows.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    scope: Literal["context", "candidate"]
    size: int | None = None
    vocabulary: tuple[str, ...] | None = None
    min_count: int = 1
    """Values seen in fewer training rows than this share id 0 when training builds the vocabulary."""

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInputError("field.name", self.name, "must not be empty")
        if self.kind not in ("numeric", "categorical"):
            raise InvalidInputError(f"{self.name}.kind", self.kind, "must be 'numeric' or 'categorical'")
        if self.scope not in ("context", "candidate"):
            raise InvalidInputError(f"{self.name}.scope", self.scope, "must be 'context' or 'candidate'")
        if self.kind == "numeric" and (self.size is not None or self.vocabulary is not None):
            value = self.size if self.vocabulary is None else self.vocabulary
            raise InvalidInputError(
                f"{self.name}.size or .vocabulary", value, "only a categorical field has ids"
            )
        if self.min_count < 1:
            raise InvalidInputError(f"{self.name}.min_count", self.min_count, "must be at least 1")
        if self.size is not None and self.size < 1:
            raise InvalidInputError(f"{self.name}.size", self.size, "must be at least 1: id 0 is reserved")
        if self.vocabulary is not None:
            self._check_vocabulary(self.vocabulary)

    def _check_vocabulary(self, vocabulary: tuple[str, ...]) -> None:
        if vocabulary[:1] != (UNKNOWN,):
            raise InvalidInputError(
                f"{self.name}.vocabulary", vocabulary[:1], f"must begin with {UNKNOWN!r}: id 0 is reserved"
            )
        if len(set(vocabulary)) != len(vocabulary):
            twice = next(value for value in vocabulary if vocabulary.count(value) > 1)
            raise InvalidInputError(f"{self.name}.vocabulary", twice, "is listed twice")
        if self.size not in (None, len(vocabulary)):
            raise InvalidInputError(f"{self.name}.size", self.size, f"vocabulary has {len(vocabulary)} ids")

    @property
    def num_ids(self) -> int:
        """The number of ids of a categorical field, the unknown one included."""
        if self.vocabulary is not None:
            return len(self.vocabulary)
        if self.size is None:
            raise StateError(
                f"{self.name}.size", self.size, "is known only after training built the vocabulary"
            )
        return self.size

    @cached_property
    def _ids(self) -> dict[str, int]:
        if self.vocabulary is None:
            raise StateError(f"{self.name}.vocabulary", None, "the field has no vocabulary to encode with")
        return {value: index for index, value in enumerate(self.vocabulary)}

    def encode(self, values: Iterable[str]) -> NDArray[np.int64]:
        """Returns the id of each value (n,), 0 for those that the vocabulary lacks."""
        ids = self._ids
        return np.array([ids.get(value, 0) for value in values], dtype=np.int64)

    def decode(self, ids: NDArray[np.int64]) -> list[str]:
        """Returns the value of each id (n,), `UNKNOWN` for 0."""
        values = list(self._ids)
        return [values[index] for index in ids.tolist()]


@dataclass(frozen=True)
class FeatureSchema:
    """The features of one kind of request: its context's and its candidates', numeric and categorical.

    Rows of a model list the context's columns first, then the candidate's, each in the order of `fields`.
    """

    schema_id: str
    label: str
    """The column with the click: 0 or 1."""
    fields: tuple[Field, ...]
    time: str | None = None
    """The column that orders the rows; when given, later rows judge a model trained on earlier ones."""
    age: str | None = None
    """The column with a row's age when the log was cut; with `delay`, where clicks may still come."""
    delay: str | None = None
    """The column with the time from a row to its click, in the unit of `age`; empty where there is none."""
    window: float = math.inf
    """Clicks later than that, in the unit of `age`, do not count."""

    def __post_init__(self) -> None:
        if not _SCHEMA_ID.fullmatch(self.schema_id):
            raise InvalidInputError(
                "schema_id",
                self.schema_id,
                "must be a folder name: a-z, 0-9, '_', '.', '-', at most 64 characters",
            )
        if not self.fields:
            raise InvalidInputError("fields", self.fields, "must have at least one field")
        if self.time == self.label:
            raise InvalidInputError("time", self.time, "is the label's column")
        if (self.age is None) != (self.delay is None):
            raise InvalidInputError(
                "delay", self.delay, f"age is {self.age!r}: both columns are needed, or neither"
            )
        if not self.window > 0 or (self.age is None and self.window < math.inf):
            raise InvalidInputError(
                "window", self.window, "must be positive; it needs the columns age and delay"
            )
        if self.age is not None and len({self.label, self.age, self.delay}) < 3:
            raise InvalidInputError("delay", self.delay, "label, age and delay must be three columns")
        names = [field.name for field in self.fields]
        for name in names:
            if names.count(name) > 1:
                raise InvalidInputError("fields.name", name, "is used twice")
            if name in (self.label, self.time, self.age, self.delay):
                raise InvalidInputError(
                    "fields.name", name, "the label, the time, the age and the delay are no features"
                )

    @cached_property
    def numeric_fields(self) -> tuple[Field, ...]:
        """The numeric fields in the order of a model's columns."""
        return self._pick("numeric", "context") + self._pick("numeric", "candidate")

    @cached_property
    def categorical_fields(self) -> tuple[Field, ...]:
        """The categorical fields in the order of a model's columns."""
        return self._pick("categorical", "context") + self._pick("categorical", "candidate")

    @cached_property
    def context_numeric(self) -> tuple[str, ...]:
        """Names of the numeric columns of a request's context, in order."""
        return _names(self._pick("numeric", "context"))

    @cached_property
    def context_categorical(self) -> tuple[str, ...]:
        """Names of the categorical columns of a request's context, in order."""
        return _names(self._pick("categorical", "context"))

    @cached_property
    def candidate_numeric(self) -> tuple[str, ...]:
        """Names of the numeric columns of a candidate, in order."""
        return _names(self._pick("numeric", "candidate"))

    @cached_property
    def candidate_categorical(self) -> tuple[str, ...]:
        """Names of the categorical columns of a candidate, in order."""
        return _names(self._pick("categorical", "candidate"))

    @cached_property
    def num_ids(self) -> NDArray[np.int64]:
        """Number of ids of each categorical column (c,), in the order of a model's columns."""
        return np.array([field.num_ids for field in self.categorical_fields], dtype=np.int64)

    def field(self, name: str) -> Field:
        """Returns the field of that name."""
        for field in self.fields:
            if field.name == name:
                return field
        raise InvalidInputError("field", name, f"schema {self.schema_id!r} has no such field")

    def _pick(self, kind: str, scope: str) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if (field.kind, field.scope) == (kind, scope))


def _names(fields: Sequence[Field]) -> tuple[str, ...]:
    return tuple(field.name for field in fields)
