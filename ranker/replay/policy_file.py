"""Policies of row logs as TOML files: a column, a table of chances, or the frequencies of another log."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path  # noqa: TC003 (msgspec reads the annotations)
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.policies import ColumnPolicy, TablePolicy
from ranker.replay.readers import ReadOptions, read_log
from ranker.strict_toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ranker.replay.logged_batch import LoggedBatch

    RowPolicy: TypeAlias = ColumnPolicy | TablePolicy

_WAYS = ("column", "chances", "frequencies_of")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One of the three ways in which a policy says how likely it does what was logged."""

    name: str
    column: str | None = None  # of the log: π(aᵢ|xᵢ) of each row
    chances: dict[str, tuple[float, ...]] = field(default_factory=dict)  # action → one a position
    frequencies_of: Path | None = None  # the policy's own log: its action frequencies at each position

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInputError("name", self.name, "give every policy a name")
        given = [way for way in _WAYS if getattr(self, way)]
        if len(given) != 1:
            raise InvalidInputError("policy", given, f"must say one of {', '.join(_WAYS)}")


def is_row_policy(path: Path) -> bool:
    """Says whether a policy file speaks of rows: others speak of requests that are ranked again."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False  # whoever reads it next says what is wrong
    return any(way in content for way in _WAYS)


def read_row_policy(path: Path) -> RowPolicy:
    """Returns the policy of a TOML file; a relative `frequencies_of` is read from the file's folder."""
    told = read_toml(path, PolicyFile)
    if told.column is not None:
        return ColumnPolicy(told.name, told.column)
    if told.frequencies_of is not None:
        return TablePolicy(told.name, frequencies(read_log(path.parent / told.frequencies_of)))
    return TablePolicy(told.name, told.chances)


def frequencies(batches: Iterable[LoggedBatch]) -> dict[str, tuple[float, ...]]:
    """Returns the share of each action among the rows of each position."""
    counts: defaultdict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(0))
    width = 0
    for batch in batches:
        if batch.num_rows == 0:
            continue
        k, n = int(batch.positions.max()) + 1, len(batch.action_names)
        width = max(width, k)
        cells = np.bincount(batch.actions * k + batch.positions, minlength=n * k).reshape(n, k)
        for i in np.flatnonzero(cells.any(axis=1)).tolist():
            old = counts[batch.action_names[i]]
            new = np.zeros(max(old.size, k))
            new[: old.size] += old
            new[:k] += cells[i]
            counts[batch.action_names[i]] = new
    if not counts:
        raise InvalidInputError("frequencies_of", 0, "the log holds no usable row")
    table = np.array([np.pad(row, (0, width - row.size)) for row in counts.values()])
    total = table.sum(axis=0)
    if (total == 0).any():
        raise InvalidInputError("frequencies_of", int(np.argmin(total)), "a position without any row")
    shares = table / total
    return {name: tuple(row) for name, row in zip(counts, shares.tolist(), strict=True)}


def options_for(policies: Iterable[RowPolicy], options: ReadOptions) -> ReadOptions:
    """Returns the options with the columns that the policies want read."""
    wanted = [each.column for each in policies if isinstance(each, ColumnPolicy)]
    return replace(options, contexts=tuple(dict.fromkeys((*options.contexts, *wanted))))
