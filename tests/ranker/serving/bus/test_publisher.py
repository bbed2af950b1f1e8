from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import replace

import pytest

from benchmarks.mock_kafka import MockKafka
from ranker.errors import InvalidInputError, OverloadedError, StateError
from ranker.events.settings import Durability
from ranker.events.store import EventCounts, OutcomeStatus, RecordedDecision
from ranker.serving.bus.address import Bus
from ranker.serving.bus.publisher import BusEventStore
from ranker.serving.bus.records import PublishedDecision, PublishedOutcome, read_record
from tests.contracts.event_store import SETTINGS, Clock, click, make_decision
from tests.ranker.events.test_request_codec import REQUEST
from tests.ranker.serving.bus.conftest import read_topic

Publishing = Callable[..., BusEventStore]
NOWHERE = "127.0.0.1:1"


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def fails(store: BusEventStore) -> bool:
    try:
        store.check()
    except StateError:
        return True
    return False


def test_what_is_recorded_is_on_the_bus_in_order_under_its_decision(
    publishing: Publishing, bus: Bus, clock: Clock
):
    with_bus = publishing()
    recorded = with_bus.record_decision(make_decision(), REQUEST).result()
    assert recorded == RecordedDecision(make_decision(), is_new=True)
    clock.now = 1_001.5
    statuses = with_bus.record_outcomes([click("e1"), click("e2", position=9)]).result()
    assert statuses == [OutcomeStatus.PUBLISHED] * 2
    records = read_topic(bus, bus.topic, 3)
    assert {record.key() for record in records} == {b"d"}
    assert len({record.partition() for record in records}) == 1
    decision, first, second = (read_record(record.value()) for record in records)
    assert isinstance(decision, PublishedDecision)
    assert decision.decision == make_decision()
    assert (first, second) == (
        PublishedOutcome(click("e1"), 1_001.5),
        PublishedOutcome(click("e2", position=9), 1_001.5),
    )
    assert with_bus.counts() == EventCounts(decisions=1, published=3)


def test_its_outcomes_find_the_partition_of_their_decision(publishing: Publishing, bus: Bus):
    one, other = publishing(), publishing()
    for i in range(20):
        one.record_decision(make_decision(f"d{i}")).result()
        other.record_outcomes([click(f"e{i}", f"d{i}")]).result()
    places: dict[bytes, set[int | None]] = {}
    for record in read_topic(bus, bus.topic, 40):
        places.setdefault(record.key() or b"", set()).add(record.partition())
    assert {len(partitions) for partitions in places.values()} == {1}
    assert len(set().union(*places.values())) > 1


def test_an_empty_report_is_none(publishing: Publishing):
    assert publishing().record_outcomes([]).result(timeout=0) == []


def test_what_it_reads_is_what_was_stored(publishing: Publishing, store):
    store.record_decision(make_decision(), REQUEST)
    store.record_outcomes([click()]).result()
    with_bus = publishing()
    assert with_bus.find_decision("d") == make_decision()
    assert with_bus.find_request("d") is not None
    assert [each.reward for each in with_bus.joined_after(0, 10)] == [1.0]
    assert with_bus.last_sequence() == store.last_sequence()
    assert len(with_bus.open_decisions(10)[0]) == len(with_bus.reward_times(10)) == 1
    assert (with_bus.sweep().result(), with_bus.retire(2**60).result()) == (0, 0)


def test_closing_waits_for_what_is_queued_and_refuses_the_rest(publishing: Publishing, bus: Bus):
    with_bus = publishing()
    futures = [with_bus.record_decision(make_decision(f"d{i}")) for i in range(200)]
    with_bus.close()
    assert all(future.result(timeout=0).is_new for future in futures)
    with pytest.raises(StateError, match="takes no more"):
        with_bus.record_decision(make_decision())
    with pytest.raises(StateError, match="takes no more"):
        with_bus.check()
    read_topic(bus, bus.topic, 200)


def test_a_full_queue_is_told(publishing: Publishing, kafka: MockKafka):
    with_bus = publishing(replace(SETTINGS, queue_capacity=3, patience_seconds=0.0))
    with kafka.frozen():
        queued = [with_bus.record_decision(make_decision(f"d{i}")) for i in range(3)]
        with pytest.raises(OverloadedError, match="takes too long"):
            with_bus.record_outcomes([click()])
        assert (with_bus.counts().queued, with_bus.counts().dropped) == (3, 1)
    wait(queued, timeout=60)
    assert all(future.done() for future in queued)


def test_a_report_beyond_the_queue_is_refused(publishing: Publishing):
    with pytest.raises(InvalidInputError, match="takes at most 1"):
        publishing(replace(SETTINGS, queue_capacity=1)).record_outcomes([click("1"), click("2")])


def test_a_broker_that_is_away_is_told_at_once_and_found_again(publishing: Publishing, kafka: MockKafka):
    with_bus = publishing()
    with_bus.record_decision(make_decision("before")).result()
    with kafka.frozen():
        # What is under way when the broker goes is given up in bounded time.
        lost = with_bus.record_outcomes([click()])
        with pytest.raises(StateError, match="was not published: retry"):
            lost.result(timeout=60)
        assert with_bus.counts().failed == 1
        wait_until(lambda: fails(with_bus))
        started = time.monotonic()
        with pytest.raises(StateError, match=r"bus = 'kafka://.*no good answer"):
            with_bus.record_decision(make_decision("meanwhile"))
        assert time.monotonic() - started < 2.0  # and not after a delivery's patience of 5 s
    wait_until(lambda: not fails(with_bus))
    assert with_bus.record_decision(make_decision("after")).result(timeout=60).is_new


def test_a_bus_that_is_not_there_is_told_at_the_start(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ranker.serving.bus.kafka._START_SECONDS", 0.5)
    with pytest.raises(StateError, match="no good answer"):
        publishing(to=Bus(NOWHERE, "t"))


@pytest.mark.parametrize("durability", list(Durability))
def test_durability_decides_only_whether_to_wait(publishing: Publishing, durability: Durability):
    with_bus = publishing(replace(SETTINGS, durability=durability))
    assert with_bus.durability is durability
    assert with_bus.record_decision(make_decision()).result().is_new
