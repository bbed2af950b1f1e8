"""A bound on the next value, learned from the last ones."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque

LEVEL = 0.99
WINDOW = 200


class RollingBound:
    """Bounds the next value with chance `LEVEL`, if it is drawn like the last `WINDOW` values.

    It is the ⌈LEVEL·(m + 1)⌉-th smallest of the last m values (the largest, where m is too small for the
    level): distribution-free, and a stall is forgotten after `WINDOW` values. Source: Papadopoulos et al.
    2002, Inductive confidence machines for regression.
    """

    def __init__(self, values: list[float]) -> None:
        self._order = deque(values, maxlen=WINDOW)
        self._sorted = sorted(values)

    @property
    def bound(self) -> float:
        """Returns the bound; 0 where nothing is known."""
        num = len(self._sorted)
        if not num:
            return 0.0
        return self._sorted[min(math.ceil(LEVEL * (num + 1)), num) - 1]

    def share(self, above: float, up_to: float = math.inf) -> float:
        """Returns the share of the last values in (above, up_to]; 0 where nothing is known."""
        num = bisect_right(self._sorted, up_to) - bisect_right(self._sorted, above)
        return max(num, 0) / max(len(self._sorted), 1)

    def add(self, value: float) -> None:
        """Learns a value."""
        if len(self._order) == WINDOW:
            del self._sorted[bisect_left(self._sorted, self._order[0])]
        self._order.append(value)
        insort(self._sorted, value)
