"""Callers that hold back: what an overloaded server would refuse anyway is not sent.

A refusal costs the server a good part of what an answer does. So a caller counts, with a weight that halves
every `HALF_LIFE_SECONDS`, its calls R and those A that were let in, and keeps a call back with probability

    p = max(0, (R − K·(A + m)) / (R + 1)),      K = `HEADROOM`, m = `FREE_REFUSALS`

so that about K calls reach the server for each one that it lets in (Beyer et al. 2016, "Site Reliability
Engineering", ch. 21: client-side throttling, there with K = 2 and m = 0). Those beyond A are what finds out
that the overload is over.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

HEADROOM = 1.25
# So many refusals keep nothing back: a caller of few calls is no overload.
FREE_REFUSALS = 5.0
HALF_LIFE_SECONDS = 1.0


class Throttle:
    """Says which calls to send; threads share it."""

    def __init__(self, rng: np.random.Generator, clock: Callable[[], float] = time.monotonic) -> None:
        self._rng = rng
        self._clock = clock
        self._lock = threading.Lock()
        self._counted_at = clock()
        self._num_calls = 0.0
        self._num_let_in = 0.0

    def sends(self) -> bool:
        """Says whether to send a call: one that is not counts now, one that is once its end is known."""
        with self._lock:
            self._forget()
            sent = float(self._rng.random()) >= self._probability()
            if not sent:
                self._num_calls += 1.0
            return sent

    def learn(self, refused: bool) -> None:
        """Counts what became of a call that was sent; refused is what the server had no room for."""
        with self._lock:
            self._forget()
            self._num_calls += 1.0
            if not refused:
                self._num_let_in += 1.0

    def _probability(self) -> float:
        excess = self._num_calls - HEADROOM * (self._num_let_in + FREE_REFUSALS)
        return max(0.0, excess / (self._num_calls + 1.0))

    def _forget(self) -> None:
        now = self._clock()
        kept = 0.5 ** ((now - self._counted_at) / HALF_LIFE_SECONDS)
        self._num_calls *= kept
        self._num_let_in *= kept
        self._counted_at = now
