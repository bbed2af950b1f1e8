"""Where records go that can never be stored: a topic of their own, with the reason, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ranker.errors import StateError
from ranker.serving.bus.kafka import DELIVERY_SECONDS, await_topic, open_producer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import KafkaError, Message

    from ranker.serving.bus.address import Bus

_CAPACITY = 10_000


class Reason(StrEnum):
    """Why a record cannot be stored."""

    UNREADABLE = "unreadable"  # no record, damaged, or of a newer release
    INVALID = "invalid"  # a field is out of its range
    UNKNOWN_DECISION = "unknown_decision"  # an outcome whose decision was never stored, or is deleted
    UNKNOWN_POSITION = "unknown_position"
    ID_REUSED = "id_reused"  # a decision under an id that another request has


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record as it was read, and why it is not in the store."""

    message: Message
    reason: Reason
    problem: str


class DeadLetters:
    """Publishes dead letters: key and value as they were, with reason, problem and origin as headers."""

    def __init__(self, bus: Bus) -> None:
        self._topic = bus.dead_letters
        self._producer = open_producer(bus, _CAPACITY, lambda _: None)
        await_topic(self._producer, bus)

    def keep(self, letters: Sequence[DeadLetter]) -> None:
        """Returns once the brokers have all of them; StateError where they do not take one."""
        if not letters:
            return
        problems: list[str] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                problems.append(f"{error.name()}: {error.str()}")

        for letter in letters:
            message = letter.message
            origin = f"{message.topic()}/{message.partition()}/{message.offset()}"
            headers = {"reason": letter.reason.value, "problem": letter.problem, "origin": origin}
            self._producer.produce(
                self._topic,
                message.value(),
                message.key(),
                headers={name: text.encode() for name, text in headers.items()},
                on_delivery=delivered,
            )
        left = self._producer.flush(DELIVERY_SECONDS + 1.0)
        if left or problems:
            raise StateError(
                "bus.dead_letters", self._topic, f"takes nothing: {(problems or ['no answer'])[0]}"
            )
