"""Whether a call can still be answered in time: what cannot is refused at once, before work is spent on it.

Under overload a first-come queue answers everybody just after they have left. A call that waited too long is
refused in microseconds instead, so that the ones behind it are answered: goodput stays near capacity.
"""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ranker.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of the newest answer, in the mean and in the mean deviation (Jacobson 1988, "Congestion avoidance and
# control").
MEAN_WEIGHT, DEVIATION_WEIGHT = 1 / 8, 1 / 4
# Needed: mean + so many mean deviations, as TCP waits before it sends again.
NUM_DEVIATIONS = 4.0
# Every refusal makes the next one less likely: after a stall has raised the estimate above all deadlines,
# calls get in again to show that it is over.
DECAY = 0.98


class Admission:
    """Estimates how long an answer takes, from its start until it has left; threads share it.

    Only what the server takes is estimated: what the call has waited for is already gone from its deadline.
    A server that does nothing else tries every call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_busy = 0
        self._mean: float | None = None  # None: nothing was answered yet
        self._deviation = 0.0
        self._thread = threading.local()

    @contextmanager
    def admitted(self, remaining_seconds: float | None) -> Iterator[None]:
        """Runs its block, or raises OverloadedError where the caller would be gone before the answer.

        Without a deadline (None) the caller waits for ever.
        """
        with self._lock:
            needed = (self._mean or 0.0) + NUM_DEVIATIONS * self._deviation if self._num_busy else 0.0
            refused = remaining_seconds is not None and remaining_seconds <= needed
            if not refused:
                self._num_busy += 1
            elif self._mean is not None:
                self._mean *= DECAY
                self._deviation *= DECAY
        if refused:
            # In whole milliseconds, and without the caller's own time: refusals that read the same cost less.
            needed_ms = math.ceil(1000 * needed)
            raise OverloadedError(
                "deadline",
                f"under {needed_ms} ms left",
                f"the answer takes up to {needed_ms} ms: retry later, or allow more time",
                retry_seconds=needed_ms / 1000,
            )
        self._thread.spared = 0.0
        try:
            yield
        finally:
            with self._lock:
                self._num_busy -= 1

    def spare(self, seconds: float) -> None:
        """Says that the answer of this thread takes so much of its time because the caller has it."""
        self._thread.spared = seconds

    @property
    def spared(self) -> float:
        """The seconds that the answer of this thread takes only because the caller has them."""
        seconds: float = self._thread.spared
        return seconds

    def observe(self, seconds: float) -> None:
        """Learns from an answered request."""
        with self._lock:
            if self._mean is None:
                self._mean, self._deviation = seconds, seconds / 2
                return
            # One stall is no reason to turn callers away: an answer counts for no more than was expected of
            # the slowest, or twice the mean. Where all are slow, both grow with each.
            error = min(seconds - self._mean, max(NUM_DEVIATIONS * self._deviation, self._mean))
            self._mean += MEAN_WEIGHT * error
            self._deviation += DEVIATION_WEIGHT * (abs(error) - self._deviation)
