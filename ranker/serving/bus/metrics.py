"""What Prometheus sees of a consumer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ranker.serving.bus.dead_letters import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from ranker.serving.bus.consumer import BusConsumer


class BusCollector(Collector):
    """Reads the consumer's counts at each scrape."""

    def __init__(self, consumer: BusConsumer, clock: Callable[[], float] = time.time) -> None:
        self._consumer = consumer
        self._clock = clock
        self._started = clock()

    def collect(self) -> Iterator[Metric]:
        """Yields what was stored, what never will be, and how far behind the group is."""
        consumer = self._consumer
        yield CounterMetricFamily(
            "adranker_bus_stored_records",
            "Records of the bus that are in the store; those read twice count twice.",
            value=consumer.counts["stored"],
        )
        letters = CounterMetricFamily(
            "adranker_bus_dead_letters", "Records that cannot be stored, by reason.", labels=["reason"]
        )
        for reason in Reason:
            letters.add_metric([reason.value], consumer.counts[reason.value])
        yield letters
        yield GaugeMetricFamily(
            "adranker_bus_lag_records", "Records that the group has not stored.", value=consumer.lag
        )
        yield GaugeMetricFamily(
            "adranker_bus_lag_seconds",
            "Time since the last moment up to which all is stored.",
            value=max(0.0, self._clock() - (consumer.stored_until or self._started)),
        )
