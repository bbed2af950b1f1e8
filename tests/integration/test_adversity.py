"""What goes wrong around a request: idle streams, huge input, damaged files, a dead store, taken ports."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import generate_latest

from ads.ranker.v1 import event_pb2, learner_pb2, learner_pb2_grpc
from bandit.space import CreativeCatalogue
from ranker.client import RankerClient
from ranker.creative_learning import CreativeRewards, creative_learner
from ranker.errors import InvalidInputError, NotFoundError, OverloadedError, StateError
from ranker.events.records import JoinedReward
from ranker.events.sqlite_store import SqliteEventStore
from ranker.home import Home
from ranker.scoring.training import TrainingOptions, train_ctr
from ranker.serving.server import Server
from ranker.serving.settings import ServerSettings, settings_from_environment
from ranker.slate import Candidates, Constraint, Relation
from tests.integration.conftest import catalogue, settings


@contextmanager
def idle_streams(address: str, count: int):
    """Opens streams that send nothing, until the block ends; yields their calls."""
    done = threading.Event()

    def nothing():
        done.wait(30)
        yield from ()

    with grpc.insecure_channel(address) as channel:
        stub = learner_pb2_grpc.LearnerServiceStub(channel)
        calls = [stub.ReportOutcomes.future(nothing()) for _ in range(count)]
        try:
            yield calls
        finally:
            done.set()
            for call in calls:
                call.exception()


def test_idle_streams_neither_stop_ranking_nor_come_without_end(server, client, make_request):
    with idle_streams(server.address, 8):
        deadline = time.monotonic() + 10
        while "inflight 8.0" not in generate_latest(server.parts.metrics.registry).decode():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert client.rank(make_request()).decision_id == "r1"
        with pytest.raises(OverloadedError, match="streams"):
            client.report([])
    assert client.report([]).num_joined == 0


def test_limits_of_size_are_told(make_request):
    n = 20_001
    with pytest.raises(InvalidInputError, match=r"candidates.ids.length = 20001"):
        Candidates(tuple(map(str, range(n))), np.ones(n), ctr=np.ones(n))
    many = tuple(Constraint(f"c{i}", Relation.AT_MOST, 1.0) for i in range(65))
    with pytest.raises(InvalidInputError, match=r"constraints.length = 65"):
        make_request(constraints=many, constraint_weights=np.ones((65, 6)))
    with pytest.raises(InvalidInputError, match=r"request_id"):
        make_request("x" * 257)


@pytest.mark.parametrize(
    "stamp", [Timestamp(seconds=253_402_300_800), Timestamp(seconds=-5), Timestamp(seconds=2**62)]
)
def test_a_time_that_is_none_is_refused(server, client, make_request, stamp):
    client.rank(make_request())
    outcome = event_pb2.Outcome(
        event_id="e", decision_id="r1", event_type="click", reward=1, occurred_at=stamp
    )
    with grpc.insecure_channel(server.address) as channel:
        stub = learner_pb2_grpc.LearnerServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ReportOutcomes(iter([learner_pb2.ReportOutcomesRequest(outcomes=[outcome])]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "outcomes[0].occurred_at" in caught.value.details()


def test_a_file_that_cannot_be_read_is_reported_and_the_last_versions_serve_on(
    server, client, home, make_request
):
    strange = home / "schemas" / "strange.toml"
    strange.write_bytes("schema_id = 'café'".encode("latin-1"))
    server.parts.registry.poll()
    server.parts.registry.poll()
    assert "reload_failures_total 2.0" in generate_latest(server.parts.metrics.registry).decode()
    assert client.rank(make_request()).decision_id == "r1"
    strange.unlink()
    client.reload()


def test_a_new_schema_is_served_after_a_reload(client, home, make_request):
    (home / "schemas" / "more.toml").write_text(
        (home / "schemas" / "shop.toml").read_text().replace("shop", "more")
    )
    client.reload()
    request = make_request(schema_id="more")
    own = replace(request.candidates, ctr=np.full(6, 0.5))
    assert client.rank(replace(request, candidates=own)).decision_id == "r1"


def test_a_store_that_cannot_write_is_told_by_health(home, make_request):
    server = Server(settings(home, reload_seconds=0.05))
    server.start()
    server.parts.store.close()
    with grpc.insecure_channel(server.address) as channel, RankerClient(server.address) as client:
        stub, deadline = health_pb2_grpc.HealthStub(channel), time.monotonic() + 10
        while (
            stub.Check(health_pb2.HealthCheckRequest()).status != health_pb2.HealthCheckResponse.NOT_SERVING
        ):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(StateError):
            client.rank(make_request())
    server.close()


def test_a_retry_is_answered_after_its_model_is_gone(client, home, make_request):
    pinned = client.rank(make_request("first")).model_version
    before = client.rank(make_request("pinned", model_version=pinned))
    for day in (2, 3, 4):
        options = TrainingOptions(seed=day, created_at=datetime(2026, 2, day, tzinfo=UTC))
        train_ctr(home / "log.csv", home / "schemas" / "shop.toml", home / "models", options)
    client.reload()
    with pytest.raises(NotFoundError):
        client.rank(make_request("new", model_version=pinned))
    again = client.rank(make_request("pinned", model_version=pinned))
    assert replace(again, stage_seconds={}) == replace(before, stage_seconds={})


def test_rewards_of_a_retired_space_do_not_stop_the_learner(server, client, home, make_request):
    client.rank(make_request())
    decision = server.parts.store.find_decision("r1")
    old = catalogue()
    (home / "creatives" / "catalogue.json").write_text(
        CreativeCatalogue(old.context_fields, old.slots, old.spaces[1:]).to_json()
    )
    rewards = CreativeRewards(creative_learner(Home(home)), time.time)
    assert rewards.learn([JoinedReward(7, decision, 0, 1.0, expired=False)]) is None
    assert rewards.sequence == 7


def test_a_damaged_draw_key_is_refused(home):
    (home / "draw.key").write_bytes(b"")
    with pytest.raises(StateError, match="must have 32"):
        Server(settings(home))


def test_the_draw_key_is_made_once_and_only_for_its_owner(tmp_path):
    key = Home(tmp_path).draw_key()
    assert Home(tmp_path).draw_key() == key
    assert (tmp_path / "draw.key").stat().st_mode & 0o777 == 0o600
    assert list(Path(tmp_path).iterdir()) == [tmp_path / "draw.key"]


@pytest.mark.parametrize(("name", "field"), [("address", "port"), ("metrics_address", "metrics_port")])
def test_a_taken_port_is_told_and_leaves_nothing_locked(server, trained, tmp_path, name, field):
    port = int(getattr(server, name).rpartition(":")[2])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "schemas").symlink_to(trained / "schemas")
    with pytest.raises(StateError, match=f"^{name} = ") as told:
        Server(settings(tmp_path / "other", **{field: port}))
    # By the same process, while the traceback still holds the server that never came to be.
    SqliteEventStore(Home(tmp_path / "other").events).close()
    assert str(port) in str(told.value)


def test_a_server_that_is_not_there_is_told():
    with RankerClient("127.0.0.1:1") as client, pytest.raises(StateError, match="cannot be reached"):
        client.versions()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("durability", "maybe"),
        ("reload_seconds", float("inf")),
        ("port", 70_000),
        ("num_workers", 0),
        ("notice_seconds", -1.0),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(InvalidInputError, match=name):
        ServerSettings(**{name: value})


def test_settings_come_from_the_environment_unless_given(monkeypatch):
    monkeypatch.setenv("ADRANKER_PORT", "1234")
    monkeypatch.setenv("ADRANKER_REFLECTION", "false")
    assert settings_from_environment().port == 1234
    assert settings_from_environment(port=5).port == 5
    assert settings_from_environment().reflection is False
    monkeypatch.setenv("ADRANKER_PORT", "many")
    with pytest.raises(InvalidInputError, match="ADRANKER_PORT = 'many'"):
        settings_from_environment()
