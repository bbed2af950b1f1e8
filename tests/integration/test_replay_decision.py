"""A logged decision is recomputed to the last bit, whatever was published or restarted since."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from typer.testing import CliRunner

from bandit.outcomes import CreativeOutcome
from ranker.cli import app
from ranker.client import RankerClient
from ranker.creative_learning import creative_learner
from ranker.errors import NotFoundError, StateError
from ranker.home import Home
from ranker.scoring.training import TrainingOptions, train_ctr
from ranker.serving.server import Server
from ranker.slate import Basis, Constraint, Mode, Relation
from ranker.slate_rules import FREE, SlateRules
from tests.integration.conftest import settings


@pytest.fixture
def replaying(home):
    """Runs a server that captures every request."""
    running = Server(settings(home, capture_ratio=1.0))
    running.start()
    yield running
    running.close()


@pytest.fixture
def client(replaying):
    with RankerClient(replaying.address) as connected:
        yield connected


def limited(make_request, request_id):
    """Returns a request whose best slate breaks its limit: the first three ads may hold a third."""
    cap = Constraint("cheap", Relation.AT_LEAST, 0.6, Basis.SHARE_OF_ATTENTION)
    return make_request(
        request_id, constraints=(cap,), constraint_weights=np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    )


def publish(home):
    """Publishes another model and another posterior."""
    outcome = CreativeOutcome("banner", {"device": 1}, {"headline": "long", "colour": "red"}, 1.0)
    creative_learner(Home(home)).learn([outcome], sequence=1, created_at=time.time())
    options = TrainingOptions(seed=1, created_at=datetime(2026, 2, 1, tzinfo=UTC))
    train_ctr(home / "log.csv", home / "schemas" / "shop.toml", home / "models", options)


def test_decisions_replay_across_new_versions_and_a_restart(home, make_request):
    names = [f"r{i}" for i in range(20)]
    with_draws = settings(home, capture_ratio=1.0, exploration_ratio=0.5)
    first = Server(with_draws)
    first.start()
    with RankerClient(first.address) as client:
        for name in names:
            client.rank(limited(make_request, name))
        publish(home)
        client.reload()
        assert all(client.replay_decision(name)["is_equal"] for name in names)
    first.close()
    second = Server(replace(with_draws, exploration_ratio=0.0))
    second.start()
    with RankerClient(second.address) as client:
        replayed = [client.replay_decision(name) for name in names]
    second.close()
    assert all(one["is_equal"] and not one["differences"] for one in replayed)
    assert all(one["logged"] == one["recomputed"] for one in replayed)


def test_a_request_without_exploration_or_with_its_own_scores_replays(client, make_request):
    plain = make_request("plain", mode=Mode(no_exploration=True))
    scored = make_request(
        "scored", candidates=replace(plain.candidates, ctr=np.linspace(0.1, 0.3, 6)), attention=np.ones(3)
    )
    for request in (plain, scored):
        client.rank(request)
        assert client.replay_decision(request.request_id)["is_equal"]


def test_a_limit_by_position_replays_and_is_explained(client, make_request):
    first = Constraint("first", Relation.AT_LEAST, 0.9, position_weights=(1.0, 0.0, 0.0))
    weights = np.array([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    free = client.rank(make_request("free", mode=Mode(no_log=True)))
    answer = client.rank(make_request("by position", constraints=(first,), constraint_weights=weights))
    assert client.replay_decision("by position")["is_equal"]
    explained = client.explain("by position")
    dual = explained["constraints"][0]["dual"]
    assert explained["constraints"][0]["cost"] == pytest.approx(
        free.expected_objective - answer.expected_objective
    )
    # Its one position is looked at as often as all three together are, divided by their sum.
    total = sum(ad.attention for ad in answer.slate)
    for i, each in enumerate(explained["candidates"]):
        assert each["reduced_value"] == pytest.approx(each["value"] + dual / total * (i < 1))


def test_a_slate_under_rules_replays_and_is_explained(client, make_request):
    weights = np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    cheap = Constraint("cheap", Relation.AT_LEAST, 0.5, Basis.SHARE_OF_ATTENTION)
    rules = SlateRules((0, 0, 0, 1, 1, 1), (2, 1), (FREE, FREE, 4))
    mode = Mode(no_exploration=True)
    request = make_request("ruled", constraints=(cheap,), constraint_weights=weights, mode=mode, rules=rules)
    answer = client.rank(request)
    assert answer.constraints[0].met
    first, second, third = (ad.candidate_id for ad in answer.slate)
    assert third == "ad4"
    assert {first, second} < {"ad0", "ad1", "ad2"}
    assert client.replay_decision("ruled")["is_equal"]
    assert all(slate["candidate_ids"][2] == "ad4" for slate in client.explain("ruled")["mixture"])


def test_what_differs_is_named_with_both_values(replaying, client, make_request):
    client.rank(make_request("altered", mode=Mode(no_exploration=True)))
    store = replaying.parts.store
    logged, request = store.find_decision("altered"), store.find_request("altered")
    forged = replace(
        logged, decision_id="forged", ctr=(0.25, *logged.ctr[1:]), constraints=logged.constraints
    )
    store.record_decision(forged, replace(request, request_id="forged")).result()
    replayed = client.replay_decision("forged")
    assert not replayed["is_equal"]
    by_field = {one["field"]: one for one in replayed["differences"]}
    assert by_field["decision.ctr[0]"] == {
        "field": "decision.ctr[0]", "logged": "0.25", "recomputed": repr(logged.ctr[0]),
    }  # fmt: skip


def test_an_unknown_decision_is_refused(client):
    with pytest.raises(NotFoundError, match="decision_id = 'nobody'"):
        client.replay_decision("nobody")
    with pytest.raises(NotFoundError, match="decision_id = 'nobody'"):
        client.explain("nobody")


def test_a_decision_without_its_request_is_refused(home, make_request):
    running = Server(settings(home, capture_ratio=0.0))
    running.start()
    with RankerClient(running.address) as client:
        client.rank(make_request("bare"))
        with pytest.raises(StateError, match=r"decision_id = 'bare'.*capture_ratio"):
            client.replay_decision("bare")
    running.close()


def test_a_decision_whose_posterior_is_gone_is_refused(client, home, make_request):
    version = client.rank(make_request("old")).posterior_version
    publish(home)
    client.reload()
    shutil.rmtree(home / "creatives" / "posteriors" / version)
    with pytest.raises(NotFoundError, match=f"posterior_version = '{version}'.*no longer kept"):
        client.replay_decision("old")


def test_a_binding_constraint_costs_what_the_mixture_without_it_gains(client, make_request):
    request = limited(make_request, "limited")
    answer = client.rank(request)
    free = client.rank(make_request("free", mode=Mode(no_log=True)))
    explained = client.explain("limited")
    (constraint,) = explained["constraints"]
    assert constraint["dual"] == answer.constraints[0].dual > 0
    assert constraint["cost"] == pytest.approx(free.expected_objective - answer.expected_objective)
    assert constraint["cost"] == explained["constraints_cost"] > 0
    assert explained["is_equal"]


def test_candidates_are_explained_by_value_price_and_attention(client, make_request):
    answer = client.rank(limited(make_request, "limited"))
    explained = client.explain("limited")
    dual = explained["constraints"][0]["dual"]
    for i, each in enumerate(explained["candidates"]):
        assert each["value"] == each["ctr"] * each["bid"]
        # A lower limit pays for weight: price −λ for the first three.
        assert each["reduced_value"] == pytest.approx(each["value"] + dual * (i < 3))
    shown = {
        int(each["position"]): each["candidate_id"] for each in explained["candidates"] if "position" in each
    }
    assert [shown[j] for j in range(3)] == [ad.candidate_id for ad in answer.slate]
    attention = sum(each["expected_attention"] for each in explained["candidates"])
    assert attention == pytest.approx(sum(ad.attention for ad in answer.slate))
    assert sum(one["probability"] for one in explained["mixture"]) == pytest.approx(1.0)


def test_the_commands_tell_equal_and_why(replaying, client, make_request):
    client.rank(limited(make_request, "limited"))
    run = CliRunner()
    plain = run.invoke(app, ["replay-decision", "limited", "--address", replaying.address])
    assert (plain.exit_code, plain.output) == (0, "limited: equal to the last bit\n")
    told = run.invoke(app, ["replay-decision", "limited", "--address", replaying.address, "--json"])
    assert json.loads(told.output)["is_equal"] is True
    shown = run.invoke(app, ["explain", "limited", "--address", replaying.address])
    assert shown.exit_code == 0
    assert "cheap" in shown.output
