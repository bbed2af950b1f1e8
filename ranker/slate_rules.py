"""What every single slate obeys: at most so many of a group, and candidates that have their place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ranker.errors import InvalidInputError

FREE = -1
"""Marks a position that no candidate is pinned to."""


@dataclass(frozen=True, slots=True)
class SlateRules:
    """Caps, pins or both; constraints hold on average, these in every slate."""

    groups: tuple[int, ...] = ()  # (n,), the group of each candidate: a place in `caps`; (): no caps
    caps: tuple[int, ...] = ()  # how many of each group a slate may hold
    pinned: tuple[int, ...] = ()  # (k,), the candidate at each position, FREE where none is; (): no pins

    def check(self, n: int, k: int) -> None:
        """Raises InvalidInputError unless some slate of k out of n candidates obeys the rules."""
        if self.pinned:
            self._check_pins(n, k)
        if self.groups or self.caps:
            self._check_caps(n, k)

    def _check_pins(self, n: int, k: int) -> None:
        if len(self.pinned) != k:
            raise InvalidInputError("rules.pinned.length", len(self.pinned), f"must be one a position: {k}")
        for i in self.pinned:
            if not FREE <= i < n:
                raise InvalidInputError("rules.pinned", i, f"must be a candidate, 0 … {n - 1}, or {FREE}")
        for i, num_places in Counter(self.pinned).items():
            if num_places > 1 and i != FREE:
                raise InvalidInputError("rules.pinned", i, "has more than one place")

    def _check_caps(self, n: int, k: int) -> None:
        if len(self.groups) != n:
            raise InvalidInputError("rules.groups.length", len(self.groups), f"must be one a candidate: {n}")
        num_groups = len(self.caps)
        if not 0 <= min(self.groups) <= max(self.groups) < num_groups:
            wrong = next(g for g in self.groups if not 0 <= g < num_groups)
            raise InvalidInputError("rules.groups", wrong, f"must be a place in caps, 0 … {num_groups - 1}")
        caps = np.array(self.caps)
        if caps.min() < 0:
            raise InvalidInputError("rules.caps", int(caps.min()), "must not be negative")
        groups = np.array(self.groups)
        room = int(np.minimum(np.bincount(groups, minlength=num_groups), caps).sum())
        if room < k:
            raise InvalidInputError("rules.caps", room, f"must admit {k} candidates")
        pins = groups[[i for i in self.pinned if i != FREE]]
        full = np.flatnonzero(np.bincount(pins, minlength=num_groups) > caps)
        if full.size:
            g = int(full[0])
            raise InvalidInputError(f"rules.caps[{g}]", self.caps[g], "must admit the pinned candidates")
