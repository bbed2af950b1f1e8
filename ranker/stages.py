"""Where the time of one request goes."""

from __future__ import annotations

import time


class StageTimer:
    """Takes the time of stages that follow one another: each lap ends the stage that it names."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Ends `stage` now; it began where the stage before it ended."""
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now
