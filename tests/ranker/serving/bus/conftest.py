"""A broker for the tests of a session, and a bus of each test's own on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Message, Producer

from benchmarks.mock_kafka import MockKafka
from ranker.events.reader import EventReader
from ranker.events.settings import EventSettings
from ranker.events.sqlite_store import SqliteEventStore
from ranker.serving.bus.address import Bus
from ranker.serving.bus.kafka import open_consumer
from ranker.serving.bus.publisher import BusEventStore
from tests.contracts.event_store import SETTINGS, Clock


@pytest.fixture(scope="session")
def kafka() -> Iterator[MockKafka]:
    cluster = MockKafka()
    yield cluster
    cluster.close()


@pytest.fixture
def bus(kafka: MockKafka) -> Bus:
    return Bus(kafka.brokers, f"events-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteEventStore]:
    with SqliteEventStore(tmp_path / "events.db", SETTINGS, clock) as opened:
        yield opened


@pytest.fixture
def publishing(
    bus: Bus, store: SqliteEventStore, tmp_path: Path, clock: Clock
) -> Iterator[Callable[..., BusEventStore]]:
    """Opens publishers, and closes them."""
    opened: list[BusEventStore] = []
    store.check()  # it is there to be read
    database = tmp_path / "events.db"

    def publish(settings: EventSettings = SETTINGS, to: Bus = bus) -> BusEventStore:
        opened.append(BusEventStore(to, settings, EventReader(database), clock))
        return opened[-1]

    yield publish
    for one in opened:
        one.close()


def read_topic(bus: Bus, topic: str, number: int) -> list[Message]:
    """Reads the first messages of a topic, and makes sure that there is no other."""
    consumer = open_consumer(bus, uuid.uuid4().hex)
    consumer.subscribe([topic])
    found: list[Message] = []
    for _ in range(300):
        found += [each for each in consumer.consume(100, 0.1) if each.error() is None]
        if len(found) >= number:
            break
    found += consumer.consume(100, 0.5)
    consumer.close()
    assert len(found) == number
    return found


def put(bus: Bus, *values: bytes | None, key: bytes = b"key") -> None:
    """Puts bytes on the topic as anybody could."""
    producer = Producer({"bootstrap.servers": bus.brokers})
    for value in values:
        producer.produce(bus.topic, value, key)
    assert producer.flush(30) == 0
