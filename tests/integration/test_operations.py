"""What an operator relies on: health, reflection, versions, reload, metrics."""

from __future__ import annotations

import time
import urllib.request
from datetime import UTC, datetime

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from bandit.outcomes import CreativeOutcome
from ranker.attention.attention_file import write_attention
from ranker.attention.click_log import ClickLog
from ranker.attention.fitting import AttentionOptions, fit_attention
from ranker.creative_learning import creative_learner
from ranker.errors import NotFoundError, StateError
from ranker.home import Home
from ranker.scoring.training import TrainingOptions, train_ctr
from ranker.serving.server import Server
from ranker.slate import Constraint, Relation
from tests.integration.conftest import settings


def scrape(server: Server) -> str:
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics") as response:
        return response.read().decode()


def test_health_says_serving_for_each_service(server):
    with grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "ads.ranker.v1.RankerService", "ads.ranker.v1.LearnerService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_our_services(server):
    with grpc.insecure_channel(server.address) as channel:
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {"ads.ranker.v1.RankerService", "ads.ranker.v1.AdminService", "grpc.health.v1.Health"} <= set(
        services
    )


def test_reflection_can_be_switched_off(home):
    server = Server(settings(home, reflection=False))
    server.start()
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError):
        ProtoReflectionDescriptorDatabase(channel).get_services()
    server.close()


def test_every_promised_metric_is_scraped(server, client, make_request):
    client.rank(make_request())
    text = scrape(server)
    for name in (
        'adranker_rpc_calls_total{code="OK",method="Rank"} 1.0',
        'adranker_rpc_latency_seconds_count{method="Rank"} 1.0',
        "adranker_rpc_inflight 0.0",
        *(
            f'adranker_stage_seconds_count{{stage="{s}"}} 1.0'
            for s in ("decode", "score", "solve", "creatives", "log")
        ),
        "adranker_solver_steps_count 1.0",
        "adranker_solver_gap_ratio_count 1.0",
        "adranker_posterior_age_seconds",
        "adranker_events_queued 0.0",
        "adranker_events_decisions_total 1.0",
        "adranker_events_dropped_total 0.0",
        "adranker_events_joined_total 0.0",
        "adranker_events_late_total 0.0",
    ):
        assert name in text, name
    assert (
        0
        < float(next(x for x in text.splitlines() if x.startswith("adranker_posterior_age")).split()[1])
        < 60
    )


def test_violations_are_counted_by_kind(server, client, make_request):
    impossible = Constraint("none", Relation.AT_MOST, -1.0)
    client.rank(make_request(constraints=(impossible,), constraint_weights=np.ones((1, 6))))
    assert 'adranker_constraint_violations_total{relation="at_most"} 1.0' in scrape(server)


def test_a_new_posterior_is_picked_up_without_restart(server, client, home, make_request):
    before = client.rank(make_request("before")).posterior_version
    outcome = CreativeOutcome("banner", {"device": 1}, {"headline": "long", "colour": "red"}, 1.0)
    version = creative_learner(Home(home)).learn([outcome], sequence=1, created_at=time.time())
    versions = client.reload()
    assert versions["posterior"]["version"] == version != before
    assert client.rank(make_request("after")).posterior_version == version
    assert "adranker_snapshot_reloads_total 1.0" in scrape(server)


def test_a_new_model_is_served_and_the_old_one_can_be_pinned(client, home, make_request):
    old = client.rank(make_request("old")).model_version
    options = TrainingOptions(seed=1, created_at=datetime(2026, 2, 1, tzinfo=UTC))
    trained = train_ctr(home / "log.csv", home / "schemas" / "shop.toml", home / "models", options)
    client.reload()
    new = client.rank(make_request("new")).model_version
    assert new == trained.card.model_version != old
    assert client.rank(make_request("pinned", model_version=old)).model_version == old


def test_a_damaged_posterior_is_refused_and_the_last_one_serves_on(server, client, home, make_request):
    before = client.rank(make_request("before")).posterior_version
    outcome = CreativeOutcome("banner", {"device": 1}, {"headline": "long", "colour": "red"}, 1.0)
    version = creative_learner(Home(home)).learn([outcome], sequence=1, created_at=time.time())
    (home / "creatives" / "posteriors" / version / "posterior.npz").write_bytes(b"rubbish")
    with pytest.raises(StateError, match="serve on"):
        client.reload()
    assert client.rank(make_request("after")).posterior_version == before
    assert "adranker_snapshot_reload_failures_total 1.0" in scrape(server)


def test_an_attention_file_is_the_curve_of_requests_without_one(client, home, make_request):
    assert (
        client.versions()["attention_version"]
        == client.rank(make_request("before")).attention_version
        == "dcg"
    )
    sessions = np.arange(4000)
    rng = np.random.default_rng(0)
    items = rng.permuted(np.tile(np.arange(3), (4000, 1)), axis=1)
    log = ClickLog(
        session=np.repeat(sessions, 3),
        position=np.tile(np.arange(3), 4000),
        item=items.ravel(),
        click=(rng.random((4000, 3)) < np.array([0.5, 0.3, 0.1])).ravel(),
        context=np.repeat(sessions % 2, 3),
        context_names=("device=1", "device=2"),
        context_fields=("device",),
    )
    file = fit_attention(log, AttentionOptions())
    write_attention(file, home / "attention.json")
    assert client.reload()["attention_version"] == file.version
    answer = client.rank(make_request("after"))
    assert [ad.attention for ad in answer.slate] == file.attention(3, "device=1").tolist()
    assert answer.attention_version == file.version

    (home / "attention.json").write_text("{")
    with pytest.raises(StateError, match=r"attention.json.*is not JSON.*serve on"):
        client.reload()
    assert client.rank(make_request("damaged")).attention_version == file.version


def test_a_home_that_is_none_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="adranker init"):
        Server(settings(tmp_path / "nowhere"))


def test_an_empty_home_is_refused(tmp_path):
    with pytest.raises(StateError, match="train-ctr"):
        Server(settings(tmp_path))


@pytest.mark.usefixtures("server")
def test_a_second_server_on_the_same_home_is_refused(home):
    with pytest.raises(StateError):
        Server(settings(home))
