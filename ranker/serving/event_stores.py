"""Which event store a server writes to, and which one a consumer of the bus does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bandit import snapshot as posterior_store
from ranker.errors import StateError
from ranker.events.reader import EventReader
from ranker.events.settings import Durability, EventSettings
from ranker.events.sqlite_store import SqliteEventStore

if TYPE_CHECKING:
    from ranker.events.store import EventStore
    from ranker.home import Home
    from ranker.serving.bus.address import Bus
    from ranker.serving.settings import ServerSettings

_SWEEP_SECONDS = 1.0
# A consumer sweeps up to where it has read, and not by the clock.
_NEVER_SECONDS = 1e9


def store_of_server(home: Home, settings: ServerSettings) -> EventStore:
    """Opens what the server records to: the bus where it has one, else the store."""
    if not settings.bus_url:
        return _store(home, settings, _SWEEP_SECONDS)
    bus = bus_of(settings)
    # Not above: who has no bus needs no Kafka.
    from ranker.serving.bus.publisher import BusEventStore

    return BusEventStore(bus, _event_settings(settings, _NEVER_SECONDS), EventReader(home.event_location))


def store_of_consumer(home: Home, settings: ServerSettings) -> EventStore:
    """Opens what a consumer writes to."""
    return _store(home, settings, _NEVER_SECONDS)


def bus_of(settings: ServerSettings) -> Bus:
    """Returns the address of the bus; StateError where its client is not installed."""
    try:
        import confluent_kafka  # noqa: F401 (asked for once, here)
    except ModuleNotFoundError:
        raise StateError(
            "bus_url", settings.bus_url, "needs Kafka's client: pip install 'adranker[kafka]'"
        ) from None
    from ranker.serving.bus.address import parse_bus

    return parse_bus(settings.bus_url, settings.bus_security)


def learned_until(home: Home) -> int:
    """Returns the last reward that no learner needs any more: all of them, where there is none to learn."""
    return posterior_store.last_sequence(home.posteriors) if home.catalogue.is_file() else sys.maxsize


def _store(home: Home, settings: ServerSettings, sweep_seconds: float) -> EventStore:
    chosen = _event_settings(settings, sweep_seconds)
    if not home.events_url:
        return SqliteEventStore(home.events, chosen)
    # Not above: who keeps events in a file does not wait for SQLAlchemy.
    from ranker.events.postgres_store import PostgresEventStore

    return PostgresEventStore(home.events_url, chosen)


def _event_settings(server: ServerSettings, sweep_seconds: float) -> EventSettings:
    return EventSettings(
        durability=Durability(server.durability),
        window_seconds=server.window_seconds,
        sweep_seconds=sweep_seconds,
        keep_requests_seconds=server.keep_requests_seconds,
        keep_decisions_seconds=server.keep_decisions_seconds,
        keep_unexported=server.keep_unexported,
    )
