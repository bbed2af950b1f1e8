"""The load generator and admission, on a real server."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from typer.testing import CliRunner

from ads.ranker.v1 import ranker_pb2_grpc
from ranker.cli import app
from ranker.errors import InvalidInputError, OverloadedError
from ranker.load.generator import HELD_BACK, LoadSettings, run_load
from ranker.load.latencies import Latencies
from ranker.load.processes import run_load_processes
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
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    latency = result.summary()["latency_ms"]["OK"]
    assert list(latency) == ["p50", "p90", "p99", "p99.9", "p99.99", "mean", "max"]
    assert 0 < latency["p50"] <= latency["p99.99"] <= latency["max"]


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
    assert Latencies(summary["latency_hdr"].values()).number == summary["num_calls"]


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


def test_processes_share_a_load(server, make_request):
    body = request_to_proto(make_request()).SerializeToString()
    shares: list[float] = []
    settings = LoadSettings(rate=60, seconds=1, deadline_seconds=20)
    result = run_load_processes(server.address, [body], settings, 2, shares.append)
    assert result.codes == {"OK": result.num_calls}
    assert 15 < result.num_calls < 110  # 60 on average, ±6 standard deviations
    assert server.parts.store.counts().decisions == result.num_calls  # no two have an id in common
    assert shares[-1] == 1.0
    with pytest.raises(InvalidInputError, match="processes = 0"):
        run_load_processes(server.address, [body], settings, 0)


def test_a_stall_is_felt_by_every_call_that_was_due_in_it():
    """A caller that waits for its answer before it asks again would notice one slow call."""
    stalled = []

    def rank(_, __):
        if not stalled:
            stalled.append(1)
            time.sleep(1.0)
        return b""

    handler = grpc.method_handlers_generic_handler(
        "ads.ranker.v1.RankerService", {"Rank": grpc.unary_unary_rpc_method_handler(rank)}
    )
    running = grpc.server(ThreadPoolExecutor(1), handlers=(handler,))
    address = f"127.0.0.1:{running.add_insecure_port('127.0.0.1:0')}"
    running.start()
    result = run_load(address, [b""], LoadSettings(rate=100, seconds=2, deadline_seconds=60))
    running.stop(None).wait()
    # Half of the calls are due in the second of the stall, and wait for what is left of it: a quarter of all
    # for more than half of it.
    assert result.codes == {"OK": result.num_calls}
    assert result.summary()["latency_ms"]["OK"]["p90"] > 500


@contextmanager
def slow(server: Server):
    """Lets the server believe that answers take ten seconds, and that it is busy with one."""
    for _ in range(400):
        server.parts.gate.admission.observe(10.0)
    with server.parts.gate.admission.admitted(None):
        yield
