"""Where the time of one request goes."""

from __future__ import annotations

import time


class StageTimer:
    """Takes the time of stages that follow one another: each lap ends the stage that it names.

    `seconds_left` is the caller's deadline; None: it waits for ever.
    """

    def __init__(self, seconds_left: float | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._start = self._last = time.perf_counter()
        self._seconds_left = seconds_left

    def elapsed(self) -> float:
        """Returns the seconds since the start."""
        return time.perf_counter() - self._start

    def seconds_left(self) -> float | None:
        """Returns the seconds until the deadline, negative after it."""
        return None if self._seconds_left is None else self._seconds_left - self.elapsed()

    def lap(self, stage: str) -> None:
        """Ends `stage` now; it began where the stage before it ended."""
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now
