"""A short run of the fuzz benchmark, and that it would notice a fault."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf import empty_pb2

from benchmarks.fuzz_rpc import DECISION, Method, fuzz, methods
from ranker.client import RankerClient
from ranker.serving.request_conversion import request_to_proto

PATH = "/ads.ranker.v1.RankerService/Rank"


def test_no_message_ends_in_an_error_that_says_nothing(server, make_request):
    good = request_to_proto(make_request(DECISION))
    with grpc.insecure_channel(server.address) as channel:
        codes = fuzz(channel, methods(good), 400, lambda: None)
    assert len(codes) == 10
    assert all(codes.values()), "a method was never called"
    assert {"OK", "INVALID_ARGUMENT"} <= {code for each in codes.values() for code in each}
    with RankerClient(server.address) as client:
        assert client.rank(make_request("afterwards")).decision_id == "afterwards"


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_what_is_no_message_is_refused_by_every_service(server, path):
    streams = (path.endswith("Info"), path.endswith(("Watch", "Info")))
    with grpc.insecure_channel(server.address) as channel:
        code, complaint = Method(path, streams, empty_pb2.Empty()).call(channel, [b"\x00"], ())
    assert (code, complaint) == ("INVALID_ARGUMENT", "")


@pytest.fixture
def broken():
    """Returns the address of a service that fails on messages that contain a byte."""

    def rank(raw, _):
        if b"\x07" in raw:
            raise ZeroDivisionError
        return b""

    handler = grpc.method_handlers_generic_handler(
        "ads.ranker.v1.RankerService", {"Rank": grpc.unary_unary_rpc_method_handler(rank)}
    )
    server = grpc.server(ThreadPoolExecutor(1), handlers=(handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_an_untyped_error_is_found_and_told_in_its_smallest_form(broken, make_request):
    known = [Method(PATH, (False, False), request_to_proto(make_request()))]
    with grpc.insecure_channel(broken) as channel, pytest.raises(AssertionError) as found:
        fuzz(channel, known, 300, lambda: None)
    assert "UNKNOWN" in str(found.value)
    assert "['07']" in str(found.value)
