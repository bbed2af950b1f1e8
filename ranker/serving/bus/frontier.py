"""Up to which time everything that servers took has been stored: how far windows may be closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranker.serving.bus.kafka import DELIVERY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Consumer, TopicPartition

# Between a server's stamp and the broker's: what it takes at most to deliver a record, and what the clocks of
# two machines may differ.
_DELAY_SECONDS = DELIVERY_SECONDS + 10.0
_ASK_SECONDS = 5.0


class Frontier:
    """Notes where the partitions end, and later whether the group has committed that far."""

    def __init__(
        self, consumer: Consumer, partitions: list[TopicPartition], clock: Callable[[], float]
    ) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self._clock = clock
        self.noted_at, self._ends = clock(), self._current_ends()
        self.reached = 0.0  # all that was on the bus at this time is stored; 0: unknown
        self.lag = 0  # records that the group has not committed

    def advance(self) -> float | None:
        """Returns the time up to which windows may be closed, where it has moved; else None."""
        committed = [
            max(0, each.offset) for each in self._consumer.committed(self._partitions, timeout=_ASK_SECONDS)
        ]
        now, ends = self._clock(), self._current_ends()
        self.lag = sum(max(0, end - have) for have, end in zip(committed, ends, strict=True))
        if any(have < end for have, end in zip(committed, self._ends, strict=True)):
            return None
        self.reached = self.noted_at
        self.noted_at, self._ends = now, ends
        return self.reached - _DELAY_SECONDS

    def _current_ends(self) -> list[int]:
        # A partition without records that can still be read has nothing to wait for.
        ends = [self._consumer.get_watermark_offsets(each, timeout=_ASK_SECONDS) for each in self._partitions]
        return [high if high > low else 0 for low, high in ends]
