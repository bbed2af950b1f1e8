"""The client before several real servers."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from ads.ranker.v1 import ranker_pb2, ranker_pb2_grpc
from ranker.client import RankerClient
from ranker.errors import InvalidInputError, RankerError, StateError
from ranker.serving.server import Server
from tests.integration.conftest import settings


def knows(address: str, decision_id: str) -> bool:
    with RankerClient(address) as client:
        try:
            client.explain(decision_id)
        except RankerError:
            return False
    return True


def test_calls_go_round_all_addresses(trained, server, tmp_path, make_request):
    second = Server(settings(shutil.copytree(trained, tmp_path / "second")))
    second.start()
    try:
        ports = [one.address.rpartition(":")[2] for one in (server, second)]
        addresses = [f"127.0.0.1:{port}" for port in ports]
        with RankerClient("ipv4:" + ",".join(addresses)) as client:
            ids = [client.rank(make_request(request_id=f"r{i}")).decision_id for i in range(40)]
        for address in addresses:
            assert any(knows(address, one) for one in ids)
    finally:
        second.close()


def test_a_call_may_say_how_urgent_it_is(client, make_request):
    assert client.rank(make_request(request_id="urgent"), priority="high").slate
    with pytest.raises(InvalidInputError, match="'urgent': must be one of low, normal, high"):
        client.rank(make_request(), priority="urgent")


@contextmanager
def cutting(calls: int):
    """Gives the address of a server that cuts so many calls, as gRPC does when it closes, then answers."""

    class Cutting(ranker_pb2_grpc.RankerServiceServicer):
        left = calls

        def Rank(self, request, context):  # noqa: N802 (gRPC's name)
            if self.left:
                self.left -= 1
                context.abort(grpc.StatusCode.CANCELLED, "CANCELLED")
            return ranker_pb2.RankResponse(decision_id=request.request_id)

    server = grpc.server(ThreadPoolExecutor(1))
    ranker_pb2_grpc.add_RankerServiceServicer_to_server(Cutting(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_call_that_a_closing_server_cuts_is_made_again(make_request):
    with cutting(calls=2) as address, RankerClient(address, timeout_seconds=60.0) as client:
        assert client.rank(make_request(request_id="cut")).decision_id == "cut"


def test_a_call_that_servers_cut_again_and_again_is_told_as_theirs(make_request):
    with (
        cutting(calls=99) as address,
        RankerClient(address, timeout_seconds=60.0) as client,
        pytest.raises(StateError, match="closed before it answered"),
    ):
        client.rank(make_request())
