"""The fields of a click log as a network sees them: how many ids each has, and which share a dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.errors import SearchError


@dataclass(frozen=True)
class FieldGroups:
    """Categorical fields in the order of the log's columns, and the group of each."""

    num_ids: tuple[int, ...]
    groups: tuple[int, ...]
    """Fields of one group have one embedding dimension."""

    def __post_init__(self) -> None:
        if not self.num_ids or min(self.num_ids) < 1:
            raise SearchError("fields.num_ids", self.num_ids, "must be at least one field of at least one id")
        if len(self.groups) != len(self.num_ids) or set(self.groups) != set(range(self.num_groups)):
            raise SearchError("fields.groups", self.groups, "must number the groups 0, 1, …, one a field")

    @property
    def num_groups(self) -> int:
        """How many groups there are."""
        return max(self.groups) + 1


def group_by_cardinality(num_ids: tuple[int, ...], bounds: tuple[int, ...] = (16, 256)) -> FieldGroups:
    """Puts fields with up to `bounds[0]` ids into one group, up to `bounds[1]` into the next, and so on.

    Groups without a field are left out.
    """
    level = np.searchsorted(bounds, num_ids)
    _, groups = np.unique(level, return_inverse=True)
    return FieldGroups(tuple(num_ids), tuple(int(group) for group in groups))
