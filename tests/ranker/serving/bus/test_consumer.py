"""Bus and store together: whatever happens on the way, the store ends as if it had been written directly."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import CollectorRegistry, generate_latest

from ranker.errors import StateError
from ranker.events.sqlite_store import SqliteEventStore
from ranker.events.store import EventCounts
from ranker.serving.bus.address import Bus
from ranker.serving.bus.consumer import BusConsumer
from ranker.serving.bus.metrics import BusCollector
from ranker.serving.bus.publisher import BusEventStore
from ranker.serving.bus.records import decision_record, outcome_record
from tests.contracts.event_store import Clock, click, make_decision, rewards
from tests.ranker.events.test_request_codec import REQUEST
from tests.ranker.serving.bus.conftest import put, read_topic

Publishing = Callable[..., BusEventStore]


class Ticking(Clock):
    """Moves on a little whenever it is read, as real ones do."""

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


def on() -> None:
    """Nobody else consumes."""


def consume(bus: Bus, store: SqliteEventStore, group: str = "g", clock: Clock | None = None) -> BusConsumer:
    """Consumes what is on the bus, as a process of its own would."""
    consumer = BusConsumer(bus, store, group, clock or Ticking())
    consumer.run(threading.Event(), on, until_end=True)
    consumer.close()
    return consumer


def publish(with_bus: BusEventStore) -> None:
    """Two decisions; of the first one position is clicked, twice, and an event is sent again."""
    with_bus.record_decision(make_decision("a"), REQUEST)
    with_bus.record_decision(make_decision("b")).result()
    with_bus.record_outcomes([click("e1", "a", 1), click("e2", "a", 1), click("e1", "a", 1)]).result()


RETRY_SECONDS = "ranker.serving.bus.consumer._RETRY_SECONDS"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_WAIT_SECONDS", "_SWEEP_SECONDS"):
        monkeypatch.setattr(f"ranker.serving.bus.consumer.{name}", 0.05)


STORED = [("a", 1, 1.0, False)]


def test_the_store_gets_what_was_published(publishing: Publishing, bus: Bus, store: SqliteEventStore):
    publish(publishing())
    consumer = consume(bus, store)
    assert (rewards(store), store.find_decision("b")) == (STORED, make_decision("b"))
    assert store.find_request("a") is not None
    assert store.counts() == EventCounts(decisions=2, joined=1, already_rewarded=1, duplicate=1)
    assert consumer.counts == {"stored": 5}
    assert consumer.lag == 0


def test_duplicates_and_a_replay_from_the_start_change_nothing(
    publishing: Publishing, bus: Bus, store: SqliteEventStore
):
    publish(publishing())
    publish(publishing())  # all of it again, as a server does whose answers were lost
    consume(bus, store)
    assert consume(bus, store).counts == {}  # the group goes on where it was
    replayed = consume(bus, store, "another group")
    assert replayed.counts == {"stored": 10}
    assert rewards(store) == STORED
    counts = store.counts()
    assert (counts.decisions, counts.outcomes, counts.repeated, counts.duplicate) == (2, 2, 6, 10)


def test_a_kill_between_the_store_s_commit_and_that_of_the_offsets_costs_a_second_reading(
    publishing: Publishing, bus: Bus, store: SqliteEventStore
):
    publish(publishing())
    killed = BusConsumer(bus, store, "g", Ticking())
    with patch.object(killed, "_consumer", wraps=killed._consumer) as wrapped:
        wrapped.commit.side_effect = SystemExit("killed")
        with pytest.raises(SystemExit):
            killed.run(threading.Event(), on)
    killed.close()
    assert rewards(store) == STORED  # stored, and the bus does not know
    assert consume(bus, store).counts == {"stored": 5}
    assert rewards(store) == STORED
    assert (store.counts().decisions, store.counts().repeated) == (2, 2)


def test_a_store_that_is_away_keeps_the_records_on_the_bus(
    publishing: Publishing, bus: Bus, store: SqliteEventStore
):
    publish(publishing())
    consumer = BusConsumer(bus, store, "g", Ticking())
    real, failures = store.record_outcomes, [StateError("events.writer", "disk full", "was not stored")] * 2

    def record(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return real(*arguments)  # type: ignore[arg-type]

    with (
        patch.object(store, "record_outcomes", record),
        patch("ranker.serving.bus.consumer._RETRY_SECONDS", 0),
    ):
        consumer.run(threading.Event(), on, until_end=True)
    consumer.close()
    assert failures == []
    assert rewards(store) == STORED
    assert consumer.counts == {"stored": 5}


def test_a_lost_commit_of_offsets_is_made_up_for(publishing: Publishing, bus: Bus, store: SqliteEventStore):
    publish(publishing())
    consumer = BusConsumer(bus, store, "g", Ticking())
    real, lost = consumer._consumer.commit, [KafkaException(KafkaError(KafkaError._TRANSPORT))]

    def commit(**arguments: object) -> object:
        if lost:
            raise lost.pop()
        return real(**arguments)  # type: ignore[call-overload]

    with patch.object(consumer, "_consumer", wraps=consumer._consumer) as wrapped:
        wrapped.commit.side_effect = commit
        stop = threading.Event()
        threading.Timer(2.5, stop.set).start()
        consumer.run(stop, on)
    consumer.close()
    assert rewards(store) == STORED
    assert consume(bus, store).counts in ({}, {"stored": 5})


def test_what_cannot_be_stored_is_kept_counted_and_stops_nothing(bus: Bus, store: SqliteEventStore):
    put(
        bus,
        b"no record",
        outcome_record(click("early"), 1_000.0),
        decision_record(make_decision(), None, 1_000.0),
        outcome_record(click("far", position=3), 1_000.0),
        outcome_record(click("good"), float("inf")),
        decision_record(make_decision(created_at=float("nan")), None, 1_000.0),
        outcome_record(click("good"), 1_000.0),
        None,
        key=b"d",
    )
    consumer = consume(bus, store)
    assert rewards(store) == [("d", 0, 1.0, False)]
    assert consumer.counts == {
        "stored": 2, "invalid": 4, "unknown_decision": 1, "unknown_position": 1
    }  # fmt: skip
    letters = {dict(each.headers() or [])["problem"].decode(): each for each in
               read_topic(bus, bus.dead_letters, 6)}  # fmt: skip
    early = next(each for problem, each in letters.items() if "'early'" in problem)
    headers = dict(early.headers() or [])
    assert headers["reason"] == b"unknown_decision"
    assert headers["origin"].decode().startswith(f"{bus.topic}/")
    assert (early.key(), early.value()) == (b"d", outcome_record(click("early"), 1_000.0))


def test_an_id_that_two_requests_use_is_told(bus: Bus, store: SqliteEventStore):
    other = replace(make_decision(), request_hash="another")
    put(bus, decision_record(make_decision(), None, 1.0), decision_record(other, None, 1.0))
    consumer = consume(bus, store)
    assert consumer.counts == {"stored": 1, "id_reused": 1}
    assert store.find_decision("d") == make_decision()


def test_dead_letters_that_nobody_takes_hold_back_the_offsets(bus: Bus, store: SqliteEventStore):
    put(bus, b"no record")
    consumer = BusConsumer(bus, store, "g", Ticking())
    stop = threading.Event()
    with patch.object(consumer._letters, "keep", side_effect=StateError("bus", "t", "takes nothing")) as keep:
        threading.Timer(2.5, stop.set).start()
        consumer.run(stop, on)
    assert keep.called
    consumer.close()
    assert consumer.counts == {}
    assert consume(bus, store).counts == Counter(invalid=1)


def test_no_window_closes_before_all_is_read_that_came_in_it(
    publishing: Publishing, bus: Bus, store: SqliteEventStore, clock: Clock
):
    # Windows of 10 s. Taken at 1,009, in time; read at 2,000, when every window has passed.
    with_bus = publishing()
    with_bus.record_decision(make_decision("clicked"))
    with_bus.record_decision(make_decision("quiet", num_positions=1)).result()
    clock.now = 1_009.0
    with_bus.record_outcomes([click("e1", "clicked", 0)]).result()
    clock.now = 1_011.0
    with_bus.record_outcomes([click("e2", "clicked", 1)]).result()
    consume(bus, store, clock=Ticking(2_000.0))
    assert rewards(store)[0] == ("clicked", 0, 1.0, False)
    assert sorted(rewards(store)[1:]) == [
        ("clicked", 1, 0.0, True), ("clicked", 2, 0.0, True), ("quiet", 0, 0.0, True)
    ]  # fmt: skip
    assert store.counts().late == 1


def test_windows_stay_open_for_what_may_still_be_under_way(
    publishing: Publishing, bus: Bus, store: SqliteEventStore
):
    # A record taken at the end of the window reaches the bus up to 5 s later, and clocks differ by 10.
    publishing().record_decision(make_decision()).result()
    consume(bus, store, clock=Ticking(1_000.0 + 10.0 + 14.9))
    assert rewards(store) == []
    consume(bus, store, clock=Ticking(1_000.0 + 10.0 + 15.1))
    assert len(rewards(store)) == 3


def test_a_second_consumer_of_the_group_goes_on(publishing: Publishing, bus: Bus, store: SqliteEventStore):
    with_bus = publishing()
    publish(with_bus)
    consume(bus, store)
    with_bus.record_outcomes([click("later", "b", 2)]).result()
    assert consume(bus, store).counts == {"stored": 1}
    assert rewards(store) == [*STORED, ("b", 2, 1.0, False)]


def test_prometheus_sees_what_is_stored_what_is_dead_and_how_far_behind(bus: Bus, store: SqliteEventStore):
    put(bus, decision_record(make_decision(), None, 1_000.0), b"no record")
    consumer = BusConsumer(bus, store, "g", Ticking())
    registry = CollectorRegistry()
    registry.register(BusCollector(consumer, clock=lambda: 1_030.0))
    before = generate_latest(registry).decode()
    assert 'adranker_bus_dead_letters_total{reason="invalid"} 0.0' in before
    consumer.run(threading.Event(), on, until_end=True)
    consumer.close()
    after = generate_latest(registry).decode()
    assert "adranker_bus_stored_records_total 1.0" in after
    assert 'adranker_bus_dead_letters_total{reason="invalid"} 1.0' in after
    assert "adranker_bus_lag_records 0.0" in after
    (lag,) = [line for line in after.splitlines() if line.startswith("adranker_bus_lag_seconds")]
    assert float(lag.split()[1]) == pytest.approx(30.0, abs=0.01)


def test_a_topic_that_cannot_be_read_is_told_at_the_start(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ranker.serving.bus.kafka._START_SECONDS", 0.5)
    with pytest.raises(StateError, match="no good answer"):
        BusConsumer(Bus("127.0.0.1:1", "t"), store, "g")
