"""The client before several real servers."""

from __future__ import annotations

import shutil

import pytest

from ranker.client import RankerClient
from ranker.errors import InvalidInputError, RankerError
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
