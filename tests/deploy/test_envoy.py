"""The proxy's configuration: Envoy itself reads it, and a real one passes calls by a server that drains."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest

from ads.ranker.v1 import ranker_pb2_grpc
from benchmarks.rolling_restart import ENVOY_CONFIG, envoy_config, start_envoy
from ranker.serving.request_conversion import request_to_proto
from ranker.serving.server import Server
from tests.integration.conftest import home, make_request, settings, trained  # noqa: F401 (fixtures)

ENVOY = shutil.which("envoy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(ENVOY is None, reason="Envoy is not installed")


def test_envoy_takes_the_configuration_that_is_shipped():
    assert ENVOY is not None
    ran = subprocess.run(
        [ENVOY, "--mode", "validate", "-c", str(ENVOY_CONFIG)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_only_what_may_be_asked_twice_is_retried():
    (listener,) = envoy_config([1], 2)["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (host,) = manager["route_config"]["virtual_hosts"]
    retried, rest = host["routes"]
    assert "retry_policy" in retried["route"]
    assert "retry_policy" not in rest["route"]
    regex = retried["match"]["safe_regex"]["regex"]
    assert "RankerService|LearnerService" in regex
    assert "Admin" not in regex


def test_a_server_that_drains_fails_no_call(home, make_request, tmp_path):  # noqa: F811 (fixtures)
    # Each has a home of its own, as only PostgreSQL takes two servers; no call is asked for twice here.
    other = shutil.copytree(home, tmp_path / "other")
    servers = [Server(settings(each, notice_seconds=2.5)) for each in (home, other)]
    for each in servers:
        each.start()
    envoy, address = start_envoy(tmp_path, [int(each.address.rpartition(":")[2]) for each in servers])
    answered, failed = [], []
    stopped = threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel:
            rank = ranker_pb2_grpc.RankerServiceStub(channel).Rank
            while not stopped.is_set():
                message = request_to_proto(make_request(f"r{len(answered)}-{len(failed)}"))
                try:
                    answered.append(rank(message, timeout=30.0).decision_id)
                except grpc.RpcError as error:
                    failed.append(str(error))
                    time.sleep(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        deadline = time.monotonic() + 60
        while not all(each.parts.store.counts().decisions for each in servers):
            assert time.monotonic() < deadline, "Envoy does not use both"
            time.sleep(0.05)
        failed.clear()  # of before it knew the first of them
        servers[0].close()
        goes_on = len(answered)
        while len(answered) < goes_on + 20:
            assert time.monotonic() < deadline, failed
            time.sleep(0.05)
    finally:
        stopped.set()
        asking.join()
        envoy.terminate()
        envoy.wait()
        servers[1].close()
    assert failed == []
