"""The load generator and admission, on a real server."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from typer.testing import CliRunner

from ads.ranker.v1 import ranker_pb2_grpc
from ranker.cli import app
from ranker.errors import InvalidInputError, OverloadedError
from ranker.load.generator import HELD_BACK, LoadSettings, run_load
from ranker.serving.request_conversion import request_to_proto
from ranker.serving.server import Server
from tests.integration.conftest import settings


def test_every_call_is_accounted_for_at_poisson_times(server, make_request):
    body = request_to_proto(make_request()).SerializeToString()
    shares: list[float] = []
    result = run_load(
        server.address, [body], LoadSettings(rate=100, seconds=2, deadline_seconds=20), shares.append
    )
    # 200 calls on average, ±6 standard deviations of a Poisson number.
    assert 115 < result.num_calls < 285
    assert result.codes == {"OK": result.num_calls}
    assert server.parts.store.counts().decisions == result.num_calls  # each under an id of its own
    assert np.all(result.latency_seconds["OK"] > 0)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert set(result.summary()["latency_ms"]["OK"]) == {"p50", "p90", "p99", "p99.9"}


def test_the_command_loads_a_served_home(server, home):
    arguments = ["load", "--address", server.address, "--home", str(home), "--rate", "50", "--seconds", "1"]
    arguments += [
        "--deadline-ms",
        "20000",
        "--candidates",
        "20",
        "--positions",
        "3",
        "--creative-space",
        "banner",
    ]
    ran = CliRunner().invoke(app, [*arguments, "--json"])
    assert ran.exit_code == 0, ran.output
    summary = json.loads(ran.stdout.splitlines()[-1])
    assert summary["codes"] == {"OK": summary["num_calls"]}
    assert summary["num_calls"] > 10


@pytest.mark.parametrize("name", ["rate", "seconds", "deadline_seconds"])
def test_impossible_loads_are_refused(name):
    with pytest.raises(InvalidInputError, match=f"{name} = 0"):
        LoadSettings(**({"rate": 1.0, "seconds": 1.0} | {name: 0}))


def test_a_call_that_cannot_be_answered_in_time_is_refused_with_a_retry_hint(server, client, make_request):
    for i in range(3):
        client.rank(make_request(f"r{i}"))
    with slow(server), grpc.insecure_channel(server.address) as channel:
        stub = ranker_pb2_grpc.RankerServiceStub(channel)
        started = time.perf_counter()
        with pytest.raises(grpc.RpcError) as refused:
            stub.Rank(request_to_proto(make_request("hurry")), timeout=2.0)
        assert time.perf_counter() - started < 1.0
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        retry = error_details_pb2.RetryInfo()
        assert any(detail.Unpack(retry) for detail in rpc_status.from_call(refused.value).details)
        assert 8 < retry.retry_delay.seconds < 30
        stub.Rank(request_to_proto(make_request("patient")), timeout=60.0)


def test_the_client_says_when_to_retry(server, client, make_request):
    client.rank(make_request("r"))
    with slow(server), pytest.raises(OverloadedError, match="the answer takes up to") as refused:
        client.rank(make_request("hurry"))  # its deadline is 5 seconds
    assert 8 < refused.value.retry_seconds < 30  # a late answer may still have widened the estimate


def test_the_client_calls_less_while_it_is_refused(server, client, make_request):
    client.rank(make_request("r"))
    arrived = server.parts.metrics.arrived.labels("Rank")._value
    before, refused = arrived.get(), []
    with slow(server):
        for i in range(30):  # so many refusals do not yet convince the server that answers are fast
            with pytest.raises(OverloadedError) as error:
                client.rank(make_request(f"hurry {i}"))
            refused.append(str(error.value))
    held_back = [text for text in refused if "not called" in text]
    # 12 calls at the most go out unasked, and then each with a chance below two thirds: 18 in a row, 1e-3.
    assert held_back
    assert arrived.get() - before == len(refused) - len(held_back)


def test_the_load_holds_back_where_it_is_told_to(server, make_request):
    body = request_to_proto(make_request()).SerializeToString()
    with slow(server):
        result = run_load(
            server.address, [body], LoadSettings(rate=200, seconds=1, deadline_seconds=0.5, throttle=True)
        )
    assert result.codes[HELD_BACK] > result.codes["RESOURCE_EXHAUSTED"]
    assert sum(result.codes.values()) == result.num_calls


def test_without_admission_a_caller_without_time_runs_into_its_deadline(home, make_request):
    running = Server(settings(home, admission=False))
    running.start()
    try:
        with grpc.insecure_channel(running.address) as channel:
            grpc.channel_ready_future(channel).result(timeout=10)
            stub = ranker_pb2_grpc.RankerServiceStub(channel)
            with pytest.raises(grpc.RpcError) as late:
                stub.Rank(request_to_proto(make_request("hurry")), timeout=1e-4)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    finally:
        running.close()


@contextmanager
def slow(server: Server):
    """Lets the server believe that answers take ten seconds, and that it is busy with one."""
    for _ in range(400):
        server.parts.gate.admission.observe(10.0)
    with server.parts.gate.admission.admitted(None):
        yield
