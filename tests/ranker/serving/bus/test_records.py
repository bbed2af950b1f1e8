from __future__ import annotations

import pytest

from ads.ranker.v1 import bus_pb2
from ranker.errors import RankerError
from ranker.events.codec import encode
from ranker.events.records import Outcome
from ranker.events.request_codec import encode_request
from ranker.serving.bus.records import (
    PublishedDecision,
    PublishedOutcome,
    decision_record,
    outcome_record,
    read_record,
)
from ranker.serving.request_conversion import outcome_to_proto
from tests.contracts.event_store import click, make_decision
from tests.ranker.events.test_request_codec import REQUEST


def test_a_decision_arrives_to_the_bit_with_its_request():
    found = read_record(decision_record(make_decision(), REQUEST, 1_000.5))
    assert isinstance(found, PublishedDecision)
    assert found.decision == make_decision()
    assert found.captured is not None
    assert encode_request(found.captured) == encode_request(REQUEST)
    assert read_record(decision_record(make_decision(), None, 0.0)) == PublishedDecision(
        make_decision(), None
    )


@pytest.mark.parametrize("occurred_at", [0.0, 999.0, 1_795_526_318.953_117_3, 1e9 + 1 / 3])
def test_an_outcome_arrives_to_the_bit(occurred_at: float):
    outcome = Outcome("e", "größer", 2, "conversion", 1.0, occurred_at)
    assert read_record(outcome_record(outcome, 1_000.1)) == PublishedOutcome(outcome, 1_000.1)


def outcome(**changes: object) -> bytes:
    message = outcome_to_proto(click())
    for name, value in changes.items():
        setattr(message, name, value)
    return bus_pb2.EventRecord(received_at=1.0, outcome=message).SerializeToString()


def decision(**changes: object) -> bytes:
    fields = {"decision_id": "d", "record": encode(make_decision()), "request": b""} | changes
    return bus_pb2.EventRecord(received_at=1.0, decision=bus_pb2.DecisionEvent(**fields)).SerializeToString()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "record.event = None"),
        (b"", "record.event = None"),
        (b"\xff\xff", "record = 'ffff'"),
        (bus_pb2.EventRecord(received_at=1.0).SerializeToString(), "record.event = None"),
        (outcome(event_id=""), "outcome.event_id = ''"),
        (outcome(reward=0.5), "outcome.reward = 0.5"),
        (outcome_record(click(), float("nan")), "record.received_at = nan"),
        (decision(record=b""), "decision.record_version = ''"),
        (decision(record=b"\xfe" + encode(make_decision())[1:]), "decision.record_version = 'fe'"),
        (decision(record=encode(make_decision())[:-3]), "decision.record = "),
        (decision(decision_id="other"), "record.decision_id = 'other'"),
        (decision(request=b"\x01\xc1"), "request.record = "),
    ],
)
def test_what_is_no_record_is_named(value: bytes | None, named: str):
    with pytest.raises(RankerError) as told:
        read_record(value)
    assert str(told.value).startswith(named)
