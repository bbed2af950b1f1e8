"""Outcomes over real gRPC: idempotent, joined, refused where the decision is unknown."""

from __future__ import annotations

import time

import grpc
import pytest

from ads.ranker.v1 import event_pb2, learner_pb2, learner_pb2_grpc
from ranker.client import Report
from ranker.errors import InvalidInputError, NotFoundError
from ranker.events.records import Outcome


def click(event_id: str, decision_id: str, position: int = 0, reward: float = 1.0) -> Outcome:
    return Outcome(event_id, decision_id, position, "click", reward, time.time())


def test_an_outcome_becomes_the_reward_of_its_position(client, server, make_request):
    client.rank(make_request())
    assert client.report([click("e1", "r1", 1)]) == Report(1, 0, 0, 0)
    (joined,) = server.parts.store.joined_after(0, 10)
    assert (joined.decision.decision_id, joined.position, joined.reward) == ("r1", 1, 1.0)


def test_reporting_again_changes_nothing(client, server, make_request):
    client.rank(make_request())
    client.report([click("e1", "r1")])
    assert client.report([click("e1", "r1")]) == Report(0, 1, 0, 0)
    assert len(server.parts.store.joined_after(0, 10)) == 1


def test_a_second_outcome_of_a_position_is_kept_but_not_joined(client, make_request):
    client.rank(make_request())
    client.report([click("e1", "r1")])
    assert client.report([click("e2", "r1", reward=0.0)]) == Report(0, 0, 0, 1)


def test_an_unknown_decision_is_refused_and_the_rest_is_kept(client, server, make_request):
    client.rank(make_request())
    with pytest.raises(NotFoundError) as caught:
        client.report([click("e1", "r1"), click("e2", "elsewhere")])
    assert (caught.value.field, caught.value.value) == ("outcomes[1].decision_id", "elsewhere")
    assert [r.position for r in server.parts.store.joined_after(0, 10)] == [0]


def test_an_unknown_position_is_refused(client, make_request):
    client.rank(make_request())
    with pytest.raises(NotFoundError) as caught:
        client.report([click("e1", "r1", position=3)])
    assert (caught.value.field, caught.value.value) == ("outcomes[0].position", "3")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("event_id", "", "outcomes[0].event_id"),
        ("decision_id", "", "outcomes[0].decision_id"),
        ("event_type", "", "outcomes[0].event_type"),
        ("reward", 0.5, "outcomes[0].reward"),
        ("reward", float("nan"), "outcomes[0].reward"),
    ],
)
def test_a_bad_outcome_is_refused_by_field_and_value(server, client, make_request, field, value, told):
    client.rank(make_request())
    outcome = event_pb2.Outcome(event_id="e", decision_id="r1", event_type="click", reward=1.0)
    setattr(outcome, field, value)
    with grpc.insecure_channel(server.address) as channel:
        stub = learner_pb2_grpc.LearnerServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ReportOutcomes(iter([learner_pb2.ReportOutcomesRequest(outcomes=[outcome])]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(f"{told} = {value!r}")
    assert server.parts.store.joined_after(0, 10) == []


def test_an_outcome_without_a_time_happened_when_it_was_received(server, client, make_request):
    client.rank(make_request())
    outcome = event_pb2.Outcome(event_id="e", decision_id="r1", event_type="click", reward=1.0)
    with grpc.insecure_channel(server.address) as channel:
        stub = learner_pb2_grpc.LearnerServiceStub(channel)
        answer = stub.ReportOutcomes(iter([learner_pb2.ReportOutcomesRequest(outcomes=[outcome])]))
    assert answer.num_joined == 1


def test_a_client_that_reports_nonsense_is_told_before_it_is_sent():
    with pytest.raises(InvalidInputError, match="must be 0 or 1"):
        click("e", "d", reward=2.0)
