"""Latencies in HDR histograms: three digits from a microsecond to an hour, and they can be added up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdrh.histogram import HdrHistogram

if TYPE_CHECKING:
    from collections.abc import Iterable

LOWEST, HIGHEST, DIGITS = 1, 3_600_000_000, 3  # microseconds; beyond, they count as an hour
PERCENTILES = (50, 90, 99, 99.9, 99.99)


class Latencies:
    """Counts latencies; not to be shared by threads without a lock."""

    def __init__(self, encoded: Iterable[str] = ()) -> None:
        """Begins with what others have counted."""
        self._histogram = HdrHistogram(LOWEST, HIGHEST, DIGITS)
        for text in encoded:
            self._histogram.decode_and_add(text.encode())

    def record(self, seconds: float) -> None:
        """Counts one."""
        self._histogram.record_value(min(max(round(1e6 * seconds), LOWEST), HIGHEST))

    @property
    def number(self) -> int:
        """How many were counted."""
        return int(self._histogram.get_total_count())

    def encoded(self) -> str:
        """Returns HDR's compressed form in base64, as other tools read it; in microseconds."""
        return str(self._histogram.encode().decode())

    def milliseconds(self) -> dict[str, float]:
        """Returns percentiles, the mean and the greatest."""
        histogram = self._histogram
        percentiles = {f"p{p:g}": histogram.get_value_at_percentile(p) for p in PERCENTILES}
        known = percentiles | {"mean": histogram.get_mean_value(), "max": histogram.get_max_value()}
        return {name: round(value / 1000, 3) for name, value in known.items()}
