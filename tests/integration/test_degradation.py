"""A real server without time: what it gives up, for whom, what it counts, and that replay agrees."""

from __future__ import annotations

import time
import urllib.request

import grpc
import numpy as np
import pytest

from ads.ranker.v1 import ranker_pb2_grpc
from ranker import degradation
from ranker.client import RankerClient
from ranker.errors import OverloadedError
from ranker.scoring.onnx_scorer import OnnxScorer
from ranker.serving.request_conversion import request_to_proto
from ranker.serving.server import Server
from ranker.slate import Basis, Constraint, Degradation, Mode, Relation
from tests.integration.conftest import settings

SLOW_SECONDS = 4.0


@pytest.fixture
def server(home):
    running = Server(settings(home, capture_ratio=1.0))
    running.start()
    yield running
    running.close()


@pytest.fixture
def asked(make_request):
    """Makes requests whose best slate breaks their limit: the first three ads must hold 60 %."""

    def make(request_id: str, degradation: Degradation):
        cap = Constraint("cheap", Relation.AT_LEAST, 0.6, Basis.SHARE_OF_ATTENTION)
        return make_request(
            request_id,
            constraints=(cap,),
            constraint_weights=np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]),
            mode=Mode(degradation=degradation),
        )

    return make


@pytest.fixture
def slow_model(server, asked, monkeypatch):
    """Lets the server see one answer whose scores took seconds, and keeps its model that slow."""
    score = OnnxScorer.score

    def slowly(self, *columns):
        time.sleep(SLOW_SECONDS)
        return score(self, *columns)

    monkeypatch.setattr(OnnxScorer, "score", slowly)
    with RankerClient(server.address, timeout_seconds=60.0) as patient:
        return patient.rank(asked("patient", Degradation.NONE))


def counted(server):
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics") as page:
        lines = page.read().decode().splitlines()
    name = "adranker_degraded_answers_total"
    return {
        line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{")
    }


def test_last_known_scores_answer_who_accepts_them_and_replay_to_the_last_bit(server, slow_model, asked):
    with RankerClient(server.address, timeout_seconds=SLOW_SECONDS - 1.0) as hurried:
        answer = hurried.rank(asked("hurried", Degradation.ANY))
        assert hurried.replay_decision("hurried")["is_equal"]
    assert (answer.degradation, answer.model_version) == ("last_scores", "")
    known = {ad.candidate_id: ad.ctr for ad in slow_model.slate}
    shown = {ad.candidate_id: ad.ctr for ad in answer.slate}
    assert any(shown[name] == known[name] for name in shown.keys() & known.keys())
    assert all(report.met for report in answer.constraints)  # the solver still keeps the limits
    assert 0.0 < answer.slate_propensity <= 1.0
    assert counted(server) == {"last_scores": 1.0}


def test_who_accepts_nothing_less_is_refused_at_once_with_a_hint(server, slow_model, asked):
    assert slow_model.degradation == ""
    with RankerClient(server.address, timeout_seconds=SLOW_SECONDS - 1.0) as hurried:
        started = time.perf_counter()
        with pytest.raises(OverloadedError, match=r"mode.degradation = 'none'") as refused:
            hurried.rank(asked("proud", Degradation.NONE))
        assert time.perf_counter() - started < SLOW_SECONDS - 1.0
    assert refused.value.retry_seconds >= SLOW_SECONDS
    assert counted(server) == {}


def test_without_any_time_the_order_knows_no_limits_and_says_so(server, asked):
    with RankerClient(server.address, timeout_seconds=30.0) as client:
        full = client.rank(asked("full", Degradation.ANY))
        server.parts.decider._steps.answered(6, 1000.0)  # all but scoring and solving takes so long
        answer = client.rank(asked("sorted", Degradation.ANY))
        assert client.replay_decision("sorted")["is_equal"]
        explained = client.explain("sorted")
    assert (full.degradation, answer.degradation) == ("", "unconstrained")
    assert not answer.constraints[0].met
    assert (answer.solver_status, answer.solver_steps) == ("stopped", 0)
    assert answer.objective_bound >= full.expected_objective
    assert answer.slate_propensity > 0.9  # one slate, less what is explored
    assert explained["is_equal"]
    assert [each["cost"] for each in explained["constraints"]] == [0.0]  # what is ignored costs nothing
    assert counted(server) == {"unconstrained": 1.0}


def test_a_search_that_the_deadline_cuts_short_has_a_true_bound_and_replays(server, asked, monkeypatch):
    monkeypatch.setattr(degradation, "MIN_SECONDS", 0.0)  # six ads take less
    with RankerClient(server.address, timeout_seconds=30.0) as client:
        full = client.rank(asked("full", Degradation.SMALLER_MODEL))
        server.parts.decider._steps.answered(6, 1000.0)
        cut = client.rank(asked("cut", Degradation.SMALLER_MODEL))
        assert client.replay_decision("cut")["is_equal"]
    assert full.solver_status == "optimal"
    assert cut.solver_status == "stopped"
    assert cut.solver_steps < full.solver_steps
    assert cut.objective_bound >= full.expected_objective
    assert server.parts.store.find_decision("cut").solver_rounds
    assert counted(server) == {}  # nothing that the request did not accept by default


def test_calls_that_accept_anything_are_let_in_where_full_answers_would_be_late(server, asked):
    with RankerClient(server.address, timeout_seconds=5.0) as client:
        client.rank(asked("first", Degradation.ANY))
        for _ in range(400):
            server.parts.gate.admission.observe(10.0)
        with server.parts.gate.admission.admitted(None):  # busy with another call
            with pytest.raises(OverloadedError, match="the answer takes up to"):
                client.rank(asked("full", Degradation.SMALLER_MODEL))
            assert client.rank(asked("any", Degradation.ANY)).slate


@pytest.mark.parametrize("number", [4, 17])
def test_an_unknown_degradation_is_refused(server, make_request, number):
    message = request_to_proto(make_request())
    message.mode.degradation = number
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as refused:
        ranker_pb2_grpc.RankerServiceStub(channel).Rank(message, timeout=30.0)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "mode.degradation" in refused.value.details()


def test_a_header_that_says_something_else_is_refused(server, make_request):
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as refused:
        ranker_pb2_grpc.RankerServiceStub(channel).Rank(
            request_to_proto(make_request()), timeout=30.0, metadata=(("adranker-degradation", "some"),)
        )
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "must be any" in refused.value.details()
