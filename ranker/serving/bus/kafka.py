"""Opens Kafka's clients, and says in our words what is wrong with what they were given."""

from __future__ import annotations

import logging
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, Producer

from ranker.errors import InvalidInputError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import KafkaError

    from ranker.serving.bus.address import Bus

# A record that no broker has taken by then is given up, and its caller told.
DELIVERY_SECONDS = 5.0
# At a start the brokers may still be starting too.
_START_SECONDS = 15.0
_PAUSE_SECONDS = 0.2
# A request of the largest message that a server takes, as a record.
_MAX_RECORD_BYTES = 8 * 1024 * 1024
# librdkafka's own words. They name brokers and causes, never passwords.
_logger = logging.getLogger("ranker.serving.bus.librdkafka")


def open_producer(bus: Bus, queue_capacity: int, told: Callable[[KafkaError], None]) -> Producer:
    """Opens a producer whose records arrive once and in order, or not at all; `told` hears of troubles."""
    properties = {
        **bus.security,
        "bootstrap.servers": bus.brokers,
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": round(1000 * DELIVERY_SECONDS),
        "queue.buffering.max.messages": queue_capacity,
        "message.max.bytes": _MAX_RECORD_BYTES,
        "linger.ms": 0,  # callers wait; what comes meanwhile shares the next message all the same
        "compression.type": "lz4",
        "partitioner": "murmur2_random",  # Java's, so that other producers agree
        "error_cb": told,
    }
    with _refusals():
        return Producer(properties, logger=_logger)


def open_consumer(bus: Bus, group: str) -> Consumer:
    """Opens a consumer that commits only what it is told to."""
    properties = {
        **bus.security,
        "bootstrap.servers": bus.brokers,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "fetch.message.max.bytes": _MAX_RECORD_BYTES,
    }
    with _refusals():
        return Consumer(properties, logger=_logger)


def await_topic(client: Producer | Consumer, bus: Bus) -> list[int]:
    """Returns the topic's partitions, once a broker answers; StateError where none does for a while."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return check_topic(client, bus)
        except StateError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_SECONDS)


def check_topic(client: Producer | Consumer, bus: Bus, seconds: float = 5.0) -> list[int]:
    """Returns the topic's partitions; StateError where no broker answers or the topic is not there."""
    with answers(bus):
        topic = client.list_topics(bus.topic, timeout=seconds).topics[bus.topic]
    if topic.error is not None or not topic.partitions:
        problem = topic.error or "it has no partitions"
        raise StateError("bus", str(bus), f"the topic cannot be used: {problem}")
    return sorted(topic.partitions)


@contextmanager
def answers(bus: Bus) -> Iterator[None]:
    """Makes Kafka's exceptions StateErrors, in its own words for what went wrong."""
    try:
        yield
    except KafkaException as error:
        first: KafkaError = error.args[0]
        raise StateError("bus", str(bus), f"no good answer: {first.name()}, {first.str()}") from None


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        # Its text may show a value: of which property is enough.
        named = ", ".join(re.findall(r'property "([\w.]+)"', str(error))) or error.args[0].name()
        raise InvalidInputError("bus_security", named, "is not what librdkafka takes") from None
