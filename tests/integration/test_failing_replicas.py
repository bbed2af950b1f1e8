"""Both clients before two real servers, one of which dies or hangs."""

from __future__ import annotations

import asyncio
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from ranker.async_client import AsyncRankerClient
from ranker.client import RankerClient
from ranker.errors import InvalidInputError, NotFoundError, StateError
from ranker.events.records import Outcome
from tests.integration.conftest import serving


@contextmanager
def two_servers(trained, folder):
    """Starts two servers with one draw key, each with a store of its own; gives them and their address."""
    homes = [shutil.copytree(trained, folder / name) for name in ("first", "second")]
    for home in homes:
        (home / "draw.key").write_bytes(b"k" * 32)
    with serving(homes[0]) as first, serving(homes[1]) as second:
        ports = [one.address.rpartition(":")[2] for one in (first, second)]
        yield first, second, "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)


@pytest.fixture(scope="module")
def pair(trained, tmp_path_factory):
    with two_servers(trained, tmp_path_factory.mktemp("pair")) as started:
        yield started


@contextmanager
def hanging(*servers):
    """Stops processes, which keep their connections, and lets them go on afterwards."""
    for one in servers:
        one.process.send_signal(signal.SIGSTOP)
    yield
    for one in servers:
        one.process.send_signal(signal.SIGCONT)


def click(event_id: str, decision_id: str) -> Outcome:
    return Outcome(event_id, decision_id, 0, "click", 1.0, time.time())


def test_no_call_fails_when_a_server_is_killed(trained, tmp_path, make_request):
    async def awaited(address, killed):
        async with AsyncRankerClient(address, timeout_seconds=60.0) as client:
            for i in range(4):
                await client.rank(make_request(f"warm async {i}"))
            asked = [asyncio.ensure_future(client.rank(make_request(f"async {i}"))) for i in range(10)]
            await asyncio.to_thread(killed.wait)
            asked += [asyncio.ensure_future(client.rank(make_request(f"later {i}"))) for i in range(10)]
            return [(await one).decision_id for one in asked]

    with (
        two_servers(trained, tmp_path) as (first, _, address),
        RankerClient(address, timeout_seconds=60.0) as client,
        ThreadPoolExecutor(5) as callers,
    ):
        for i in range(4):
            client.rank(make_request(f"warm {i}"))
        killed = threading.Event()
        others = callers.submit(lambda: asyncio.run(awaited(address, killed)))
        answers = [callers.submit(client.rank, make_request(f"r{i}")) for i in range(100)]
        first.process.kill()
        killed.set()
        assert [one.result().decision_id for one in answers] == [f"r{i}" for i in range(100)]
        assert others.result() == [f"async {i}" for i in range(10)] + [f"later {i}" for i in range(10)]


def test_a_hedged_call_passes_by_a_server_that_hangs(pair, make_request):
    first, _, address = pair
    started = time.monotonic()
    with RankerClient(address, timeout_seconds=60.0, hedge_seconds=0.1) as client:
        for i in range(4):
            client.rank(make_request(f"warm sync {i}"))
        with hanging(first):
            answers = [client.rank(make_request(f"s{i}")) for i in range(6)]
    assert time.monotonic() - started < 50.0
    assert [one.decision_id for one in answers] == [f"s{i}" for i in range(6)]


def test_a_hedged_call_of_asyncio_passes_by_a_server_that_hangs(pair, make_request):
    first, _, address = pair

    async def calls():
        async with AsyncRankerClient(address, timeout_seconds=60.0, hedge_seconds=0.1) as client:
            for i in range(4):
                await client.rank(make_request(f"warm{i}"))
            with hanging(first):
                return [(await client.rank(make_request(f"a{i}"))).decision_id for i in range(6)]

    started = time.monotonic()
    assert asyncio.run(calls()) == [f"a{i}" for i in range(6)]
    assert time.monotonic() - started < 50.0


def test_a_call_ends_at_its_deadline(pair, make_request):
    first, second, address = pair
    with (
        RankerClient(address, timeout_seconds=0.5) as client,
        hanging(first, second),
        pytest.raises((grpc.RpcError, StateError)),
    ):
        client.rank(make_request("late"))


def test_what_is_wrong_is_told_alike_by_all_clients(server, make_request):
    bad, report = make_request("bad", schema_id="nowhere"), [click("e", "nobody")]

    async def refusals(hedge):
        async with AsyncRankerClient(server.address, hedge_seconds=hedge) as client:
            with pytest.raises(NotFoundError, match="'nowhere'"):
                await client.rank(bad)
            with pytest.raises(NotFoundError, match="'nobody'"):
                await client.report(report)
            with pytest.raises(InvalidInputError, match="priority"):
                await client.rank(make_request("urgent"), priority="urgent")
            good, wrong = await client.batch_rank([make_request("good"), bad])
            assert (good.decision_id, wrong.value) == ("good", "nowhere")

    for hedge in (None, 5.0):
        asyncio.run(refusals(hedge))
        with (
            RankerClient(server.address, hedge_seconds=hedge) as client,
            pytest.raises(NotFoundError, match="'nowhere'"),
        ):
            client.rank(bad)


def test_a_report_that_is_made_twice_counts_once(server, make_request):
    async def reports():
        async with AsyncRankerClient(server.address) as client:
            await client.rank(make_request("r"))
            return [await client.report([click("e", "r")]) for _ in range(2)]

    first, second = asyncio.run(reports())
    assert (first.num_joined, second.num_joined, second.num_duplicates) == (1, 0, 1)


def test_a_hedge_stores_one_decision(server, make_request):
    with RankerClient(server.address, hedge_seconds=0.0) as hedging:  # always asked twice
        answers = [hedging.rank(make_request(f"r{i}")) for i in range(20)]
    assert all(answer.slate for answer in answers)
    counts = server.parts.store.counts()
    assert counts.decisions == 20
