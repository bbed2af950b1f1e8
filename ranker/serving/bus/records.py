"""Decisions and outcomes as the records that travel over the bus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf.message import DecodeError

from ads.ranker.v1 import bus_pb2
from ranker.errors import InvalidInputError, StateError
from ranker.events.codec import decode, encode
from ranker.events.request_codec import decode_request, encode_request
from ranker.serving.request_conversion import outcome_from_proto, outcome_to_proto

if TYPE_CHECKING:
    from ranker.events.records import Outcome
    from ranker.slate import Decision, RankRequest


@dataclass(frozen=True, slots=True)
class PublishedDecision:
    """A decision, and the request that it answers where that is to be kept."""

    decision: Decision
    captured: RankRequest | None


@dataclass(frozen=True, slots=True)
class PublishedOutcome:
    """An outcome, and when a server took it: seconds since the epoch."""

    outcome: Outcome
    received_at: float


Published: TypeAlias = PublishedDecision | PublishedOutcome


def decision_record(decision: Decision, captured: RankRequest | None, received_at: float) -> bytes:
    """Writes a decision."""
    event = bus_pb2.DecisionEvent(
        decision_id=decision.decision_id,
        record=encode(decision),
        request=b"" if captured is None else encode_request(captured),
    )
    return bus_pb2.EventRecord(received_at=received_at, decision=event).SerializeToString()


def outcome_record(outcome: Outcome, received_at: float) -> bytes:
    """Writes an outcome."""
    return bus_pb2.EventRecord(received_at=received_at, outcome=outcome_to_proto(outcome)).SerializeToString()


def read_record(value: bytes | None) -> Published:
    """Reads either; InvalidInputError or StateError where the bytes are no record of this release."""
    message = bus_pb2.EventRecord()
    try:
        message.ParseFromString(value or b"")
    except DecodeError as error:
        raise InvalidInputError("record", (value or b"")[:16].hex(), "is no EventRecord") from error
    if not math.isfinite(message.received_at):
        raise InvalidInputError("record.received_at", message.received_at, "must be finite")
    if message.WhichOneof("event") == "outcome":
        return PublishedOutcome(outcome_from_proto(message.outcome), message.received_at)
    if message.WhichOneof("event") is None:
        raise InvalidInputError("record.event", None, "must be a decision or an outcome")
    event = message.decision
    decision = decode(event.record)
    if decision.decision_id != event.decision_id:
        raise StateError("record.decision_id", event.decision_id, f"its record is {decision.decision_id}'s")
    return PublishedDecision(decision, decode_request(event.request) if event.request else None)
