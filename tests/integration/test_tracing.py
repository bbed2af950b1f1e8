"""Spans of sampled calls, in memory and at a real OTLP receiver; log lines with their ids."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from ads.ranker.v1 import ranker_pb2, ranker_pb2_grpc
from ranker.errors import InvalidInputError
from ranker.serving import tracing
from ranker.serving.request_conversion import request_to_proto
from ranker.serving.server import Server
from tests.integration.conftest import serving, settings

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-01", f"00-{TRACE_ID}-{PARENT_ID}-00"
STAGES = ["decode", "score", "solve", "draw", "creatives", "log", "encode"]


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def traced(home, exporter, monkeypatch):
    """Returns a runner of servers whose spans stay in memory."""
    monkeypatch.setattr(
        tracing, "to_collector", lambda _, ratio: tracing.Tracing(SimpleSpanProcessor(exporter), ratio)
    )

    @contextmanager
    def run(ratio=0.0):
        server = Server(settings(home, otlp_endpoint="http://collector:4317", trace_ratio=ratio))
        server.start()
        try:
            with grpc.insecure_channel(server.address) as channel:
                yield ranker_pb2_grpc.RankerServiceStub(channel)
        finally:
            server.close()

    return run


def ask(stub, message, traceparent=None):
    return stub.Rank(
        message, timeout=60, metadata=None if traceparent is None else (("traceparent", traceparent),)
    )


def test_a_sampled_call_has_a_span_of_each_stage_under_its_caller_s(traced, exporter, make_request):
    with traced() as stub:
        before = time.time_ns()
        answer = ask(stub, request_to_proto(make_request("r1")), SAMPLED)
        after = time.time_ns()
    *stages, call = exporter.get_finished_spans()
    assert call.name == "ads.ranker.v1.RankerService/Rank"
    assert f"{call.context.trace_id:032x}" == TRACE_ID
    assert f"{call.parent.span_id:016x}" == PARENT_ID
    assert call.attributes["rpc.grpc.status_code"] == 0
    assert call.attributes["adranker.decision_id"] == "r1"
    assert call.attributes["adranker.model_version"] == answer.model_version
    assert [stage.name for stage in stages] == STAGES
    assert {stage.parent.span_id for stage in stages} == {call.context.span_id}
    # One follows the other, all within the call; a microsecond for the rounding of each.
    edges = [call.start_time, *(t for s in stages for t in (s.start_time, s.end_time)), call.end_time]
    assert all(a <= b + 1000 for a, b in pairwise(edges))
    assert before <= call.start_time
    assert call.end_time <= after + 10_000_000  # the answer may arrive before the span has ended


@pytest.mark.parametrize(
    ("ratio", "traceparent", "is_traced"),
    [
        (1.0, UNSAMPLED, False),
        (0.0, None, False),
        (1.0, None, True),
        (0.0, "not a traceparent", False),
        (1.0, "not a traceparent", True),
    ],
)
def test_the_flag_decides_and_without_one_the_server(
    traced, exporter, make_request, ratio, traceparent, is_traced
):
    with traced(ratio) as stub:
        ask(stub, request_to_proto(make_request()), traceparent)
    spans = exporter.get_finished_spans()
    assert bool(spans) == is_traced
    assert all(f"{span.context.trace_id:032x}" != TRACE_ID for span in spans)


def test_a_refused_call_has_its_code_and_the_stages_that_ended(traced, exporter, make_request):
    message = request_to_proto(make_request())
    message.schema_id = "unknown"
    with traced() as stub:
        with pytest.raises(grpc.RpcError):
            ask(stub, message, SAMPLED)
        ask(stub, request_to_proto(make_request("next")))
    decode, call = exporter.get_finished_spans()
    assert decode.name == "decode"
    assert call.attributes["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert call.status.status_code is StatusCode.UNSET  # the caller's mistake, not the server's


def test_a_batch_is_one_span(traced, exporter, make_request):
    batch = ranker_pb2.BatchRankRequest(requests=[request_to_proto(make_request(f"r{i}")) for i in range(3)])
    with traced(1.0) as stub:
        assert len(stub.BatchRank(batch, timeout=60).results) == 3
    assert [span.name for span in exporter.get_finished_spans()] == ["ads.ranker.v1.RankerService/BatchRank"]


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """What a collector does for us: takes spans."""

    def __init__(self):
        self.spans = []

    def Export(self, request, _):  # noqa: N802 (gRPC's name)
        for resource in request.resource_spans:
            names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector():
    receiver, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield receiver
    server.stop(None).wait()


def test_a_server_sends_spans_to_a_collector_and_writes_their_ids_into_its_log(
    home, collector, tmp_path, make_request
):
    options = ["--otlp-endpoint", collector.endpoint, "--log-format", "json", "--log-level", "debug"]
    with (tmp_path / "log").open("w") as log, serving(home, *options, stderr=log) as server:
        with grpc.insecure_channel(server.address) as channel:
            stub = ranker_pb2_grpc.RankerServiceStub(channel)
            ask(stub, request_to_proto(make_request("sampled")), SAMPLED)
            ask(stub, request_to_proto(make_request("plain")))
        assert server.signal(15) == 0  # what waits is sent before the end
    assert {name for name, _ in collector.spans} == {"adranker"}
    assert {span.trace_id.hex() for _, span in collector.spans} == {TRACE_ID}
    assert sorted(span.name for _, span in collector.spans) == sorted(
        [*STAGES, "ads.ranker.v1.RankerService/Rank"]
    )
    (call,) = [span for _, span in collector.spans if span.parent_span_id.hex() == PARENT_ID]
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    decided = {line["request_id"]: line for line in lines if line["message"] == "decided"}
    assert set(decided) == {"sampled", "plain"}
    assert decided["sampled"]["level"] == "INFO"
    assert decided["sampled"]["trace_id"] == TRACE_ID
    assert decided["sampled"]["span_id"] == call.span_id.hex()
    assert decided["plain"]["level"] == "DEBUG"
    assert "trace_id" not in decided["plain"]
    assert decided["plain"]["num_positions"] == 3


def test_a_collector_that_is_away_costs_no_call_and_no_long_goodbye(home, make_request):
    server = Server(settings(home, otlp_endpoint="http://127.0.0.1:1", trace_ratio=1.0))
    server.start()
    with grpc.insecure_channel(server.address) as channel:
        stub = ranker_pb2_grpc.RankerServiceStub(channel)
        for i in range(5):
            ask(stub, request_to_proto(make_request(f"r{i}")))
    started = time.monotonic()
    server.close()
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"otlp_endpoint": "collector:4317"}, "otlp_endpoint = 'collector:4317': must start with http://"),
        ({"trace_ratio": 1.5}, r"trace_ratio = 1.5: must lie in \[0, 1\]"),
        ({"log_format": "xml"}, "log_format = 'xml': must be one of text, json"),
        ({"log_level": "loud"}, "log_level = 'loud': must be one of debug"),
    ],
)
def test_a_wrong_setting_is_named(home, changes, message):
    with pytest.raises(InvalidInputError, match=message):
        settings(home, **changes)
