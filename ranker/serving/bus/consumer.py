"""Moves records from the bus into the event store: stored first, then committed, so that none is lost."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, cast

from confluent_kafka import Consumer, KafkaException, TopicPartition

from ranker.errors import InvalidInputError, OverloadedError, StateError
from ranker.events.store import OutcomeStatus
from ranker.serving.bus.dead_letters import DeadLetter, DeadLetters, Reason
from ranker.serving.bus.frontier import Frontier
from ranker.serving.bus.kafka import answers, await_topic, open_consumer
from ranker.serving.bus.records import PublishedDecision, read_record
from ranker.serving.incident import Incident

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from threading import Event
    from typing import Any

    from confluent_kafka import Message

    from ranker.events.store import EventStore
    from ranker.serving.bus.address import Bus
    from ranker.serving.bus.records import Published
    from ranker.slate import Decision

logger = logging.getLogger(__name__)

# Records that are stored before their offsets are committed.
_BATCH = 500
_WAIT_SECONDS = 0.5
_RETRY_SECONDS = 1.0
_SWEEP_SECONDS = 1.0
_BAD_OUTCOMES = {
    OutcomeStatus.UNKNOWN_DECISION: Reason.UNKNOWN_DECISION,
    OutcomeStatus.UNKNOWN_POSITION: Reason.UNKNOWN_POSITION,
}


class BusConsumer:
    """Reads all partitions from where its group's offsets stand; used by one thread.

    One consumer of a group reads at a time, as its caller sees to. Two would do no harm but the work twice.
    """

    def __init__(
        self, bus: Bus, store: EventStore, group: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._letters = DeadLetters(bus)
        self._consumer: Consumer = open_consumer(bus, group)
        with answers(bus):
            partitions = [TopicPartition(bus.topic, number) for number in await_topic(self._consumer, bus)]
            self._frontier = Frontier(self._consumer, partitions, clock)
            self._consumer.assign(partitions)
        self._bus = bus
        self._next_sweep = 0.0
        self._trouble = Incident()
        self.counts: Counter[str] = Counter()  # "stored" records, and the dead letters by reason

    def run(self, stop: Event, may_go_on: Callable[[], None], *, until_end: bool = False) -> None:
        """Stores until told to stop, or until all is stored that was on the bus when it began.

        While the store or the bus takes nothing it tries again and again, and reads on when they do.
        What `may_go_on` raises ends it.
        """
        started = self._frontier.noted_at
        while not (stop.is_set() or (until_end and self._frontier.reached >= started)):
            may_go_on()
            with self._trouble.watched(StateError):
                self._step()
            if self._trouble.open:
                stop.wait(_RETRY_SECONDS)

    @property
    def lag(self) -> int:
        """Records on the bus that the group has not stored."""
        return self._frontier.lag

    @property
    def stored_until(self) -> float:
        """All that was on the bus at this time is stored; seconds since the epoch, 0: unknown."""
        return self._frontier.reached

    def close(self) -> None:
        """Lets go of the brokers."""
        self._consumer.close()

    def _step(self) -> None:
        with answers(self._bus):
            messages = self._consumer.consume(_BATCH, _WAIT_SECONDS)
            self._move([message for message in messages if message.error() is None])
            if time.monotonic() >= self._next_sweep:
                self._sweep()
            for message in messages:
                error = message.error()
                if error is not None:
                    raise KafkaException(error)

    def _move(self, messages: Sequence[Message]) -> None:
        """Stores records, keeps the dead letters, and commits; none of it again where all went well."""
        if not messages:
            return
        try:
            letters = self._store_all(messages)
            self._letters.keep(letters)
        except (StateError, OverloadedError) as error:
            self._go_back(messages)
            raise StateError("events", error.problem, "records wait on the bus") from error
        self.counts.update(letter.reason.value for letter in letters)
        self.counts["stored"] += len(messages) - len(letters)
        for letter in letters:
            logger.warning("dead letter, %s: %s", letter.reason, letter.problem)
        ends = [TopicPartition(*each, offset + 1) for each, offset in _offsets(messages, max).items()]
        self._consumer.commit(offsets=ends, asynchronous=False)

    def _store_all(self, messages: Sequence[Message]) -> list[DeadLetter]:
        """Stores what can be stored, in its order; returns the others."""
        letters = []
        under_way: list[tuple[Message, Published, Future[Any]]] = []
        for message in messages:
            try:
                published = read_record(message.value())
            except (InvalidInputError, StateError) as error:
                reason = Reason.INVALID if isinstance(error, InvalidInputError) else Reason.UNREADABLE
                letters.append(DeadLetter(message, reason, str(error)))
                continue
            try:
                under_way.append((message, published, self._recorded(published)))
            except InvalidInputError as error:
                letters.append(DeadLetter(message, Reason.INVALID, str(error)))
        for message, published, future in under_way:
            found = _judged(published, future.result())
            if found is not None:
                letters.append(DeadLetter(message, *found))
        return letters

    def _recorded(self, published: Published) -> Future[Any]:
        if isinstance(published, PublishedDecision):
            return self._store.record_decision(published.decision, published.captured)
        return self._store.record_outcomes([published.outcome], published.received_at)

    def _go_back(self, messages: Sequence[Message]) -> None:
        """Reads these again: what of them is stored is known by its ids."""
        for each, offset in _offsets(messages, min).items():
            self._consumer.seek(TopicPartition(*each, offset))

    def _sweep(self) -> None:
        until = self._frontier.advance()
        if until is not None:
            self._store.sweep(until).result()
        self._next_sweep = time.monotonic() + _SWEEP_SECONDS


def _judged(published: Published, result: Any) -> tuple[Reason, str] | None:
    """Returns why what the store answered is no good; None: it is."""
    if isinstance(published, PublishedDecision):
        stored: Decision = result.decision
        if stored.request_hash == published.decision.request_hash:
            return None
        return Reason.ID_REUSED, f"decision_id = {stored.decision_id!r}: was used for another request"
    status: OutcomeStatus = result[0]
    if status not in _BAD_OUTCOMES:
        return None
    outcome = published.outcome
    place = f"decision_id = {outcome.decision_id!r}, position = {outcome.position}"
    return _BAD_OUTCOMES[status], f"event_id = {outcome.event_id!r}, {place}: {status}"


def _offsets(messages: Sequence[Message], extreme: Callable[[int, int], int]) -> dict[tuple[str, int], int]:
    """Returns the first or last offset of each partition."""
    found: dict[tuple[str, int], int] = {}
    for message in messages:
        # Of a message without an error none of them is None.
        topic, partition, offset = cast(
            "tuple[str, int, int]", (message.topic(), message.partition(), message.offset())
        )
        found[topic, partition] = extreme(found.get((topic, partition), offset), offset)
    return found
