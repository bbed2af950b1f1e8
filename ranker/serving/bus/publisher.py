"""The event store of a server before a bus: what it records is published, what it reads was stored."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ranker.errors import InvalidInputError, OverloadedError, StateError
from ranker.events.store import EventCounts, OutcomeStatus, RecordedDecision
from ranker.serving.bus.kafka import DELIVERY_SECONDS, answers, await_topic, check_topic, open_producer
from ranker.serving.bus.records import decision_record, outcome_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from confluent_kafka import KafkaError, Message

    from ranker.events.reader import EventReader
    from ranker.events.records import Outcome
    from ranker.events.settings import Durability, EventSettings
    from ranker.serving.bus.address import Bus
    from ranker.slate import Decision, RankRequest

T = TypeVar("T")

_POLL_SECONDS = 0.1
_PROBE_SECONDS = 1.0
_RETRY_SECONDS = 0.002  # of a full queue


class BusEventStore:
    """An EventStore whose futures resolve once all brokers in sync have a record; a consumer stores it.

    Decisions are taken as new: which of two under one id stays is decided where they are stored. Outcomes
    are PUBLISHED, each report in as many records as it has outcomes. Sweeping and deleting are the
    consumer's: here they do nothing. Readers see what was stored up to now.
    """

    def __init__(
        self,
        bus: Bus,
        settings: EventSettings,
        reader: EventReader,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = EventCounts()
        self._closed = threading.Event()
        self._suspect = threading.Event()  # a broker was lost: to be asked
        self._trouble = ""  # why nothing can be published; "": it can
        self._fatal = False
        self._producer = open_producer(bus, settings.queue_capacity, self._hear)
        await_topic(self._producer, bus)
        self._reader = reader
        # The reading half of the port.
        self.find_decision = reader.find_decision
        self.find_request = reader.find_request
        self.joined_after = reader.joined_after
        self.last_sequence = reader.last_sequence
        self.open_decisions = reader.open_decisions
        self.reward_times = reader.reward_times
        self._thread = threading.Thread(target=self._run, name="bus-delivery", daemon=True)
        self._thread.start()

    @property
    def durability(self) -> Durability:
        """Says whether to wait for the future of a decision before its response leaves."""
        return self._settings.durability

    def record_decision(
        self, decision: Decision, captured: RankRequest | None = None
    ) -> Future[RecordedDecision]:
        """Publish a decision."""
        record = decision_record(decision, captured, self._clock())
        delivery = _Delivery(1, RecordedDecision(decision, is_new=True))
        self._publish(decision.decision_id, record, delivery, decisions=1)
        return delivery.future

    def record_outcomes(
        self, outcomes: Sequence[Outcome], received_at: float | None = None
    ) -> Future[list[OutcomeStatus]]:
        """Publish outcomes; where the bus takes only some of them the future fails: send all again."""
        if len(outcomes) > self._settings.queue_capacity:
            raise InvalidInputError(
                "outcomes", len(outcomes), f"a report takes at most {self._settings.queue_capacity}"
            )
        now = self._clock() if received_at is None else received_at
        delivery = _Delivery(len(outcomes), [OutcomeStatus.PUBLISHED] * len(outcomes))
        for outcome in outcomes:
            self._publish(outcome.decision_id, outcome_record(outcome, now), delivery)
        return delivery.future

    def sweep(self, until: float | None = None) -> Future[int]:  # noqa: ARG002 (the port's)
        """Do nothing: the consumer sweeps."""
        return _done(0)

    def retire(self, learned_until: int) -> Future[int]:  # noqa: ARG002 (the port's)
        """Do nothing: the consumer deletes."""
        return _done(0)

    def counts(self) -> EventCounts:
        """Read the counters of this server."""
        with self._lock:
            return replace(self._counts, queued=len(self._producer))

    def check(self) -> None:
        """Raise StateError if records cannot be published at present."""
        if self._closed.is_set():
            raise StateError("bus", "closed", "the event bus takes no more records")
        if self._trouble:
            raise StateError("bus", str(self._bus), self._trouble)

    def close(self) -> None:
        """Refuse what comes from now on, and wait until the brokers have what is queued or it is given up."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._thread.join()
        self._producer.flush(DELIVERY_SECONDS + 1.0)
        self._reader.close()

    def _publish(self, key: str, record: bytes, delivery: _Delivery[Any], decisions: int = 0) -> None:
        self.check()

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self._add(published=1, decisions=decisions)
                delivery.tell("")
            else:
                self._add(failed=1)
                self._suspect.set()
                delivery.tell(f"{error.name()}: {error.str()}")

        deadline = time.monotonic() + self._settings.patience_seconds
        while True:
            try:
                with answers(self._bus):
                    self._producer.produce(self._bus.topic, record, key.encode(), on_delivery=delivered)
            except BufferError:
                if time.monotonic() >= deadline:
                    self._add(dropped=1)
                    raise OverloadedError(
                        "events.queue", len(self._producer), "the bus takes too long: retry later"
                    ) from None
                time.sleep(_RETRY_SECONDS)
            else:
                return

    def _add(self, **numbers: int) -> None:
        with self._lock:
            counts = self._counts
            self._counts = replace(counts, **{n: getattr(counts, n) + by for n, by in numbers.items()})

    def _hear(self, error: KafkaError) -> None:
        """Notes a trouble of the client; most pass by themselves."""
        if error.fatal():
            self._fatal = True
            self._trouble = f"{error.name()}: {error.str()}: restart this server"
        self._suspect.set()

    def _run(self) -> None:
        """Delivers reports, and asks for the brokers where one was lost, until they answer."""
        next_probe = 0.0
        while not self._closed.is_set():
            self._producer.poll(_POLL_SECONDS)
            if self._suspect.is_set() and not self._fatal and time.monotonic() >= next_probe:
                self._suspect.clear()
                self._probe()
                next_probe = time.monotonic() + _PROBE_SECONDS

    def _probe(self) -> None:
        try:
            check_topic(self._producer, self._bus, _PROBE_SECONDS)
        except StateError as error:
            self._suspect.set()
            self._trouble = error.problem
        else:
            self._trouble = ""


class _Delivery(Generic[T]):
    """Counts the delivery reports of one call's records, in the one thread that hears them."""

    def __init__(self, num_records: int, result: T) -> None:
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()
        self._left = num_records
        self._result = result
        self._problem = ""
        if not num_records:
            self.future.set_result(result)

    def tell(self, problem: str) -> None:
        """Notes one report, "" being a good one; after the last the future resolves."""
        self._problem = self._problem or problem
        self._left -= 1
        if self._left:
            return
        if self._problem:
            self.future.set_exception(StateError("bus", self._problem, "the record was not published: retry"))
        else:
            self.future.set_result(self._result)


def _done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future
