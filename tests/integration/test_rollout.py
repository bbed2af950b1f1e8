"""Pins, experiments, shadows and rollbacks before a real server."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from ranker.cli import app
from ranker.client import RankerClient
from ranker.errors import StateError
from ranker.events.records import Outcome
from ranker.home import Home
from ranker.rollout import changes
from ranker.rollout.plan import Arm, Bounds, Experiment, Rollout, Shadow
from ranker.rollout.rollout_file import ROLLOUT_FILE, change_rollout, read_rollout
from ranker.scoring.card import CARD_FILE
from ranker.scoring.model_store import model_directories
from ranker.scoring.training import TrainingOptions, train_ctr
from ranker.serving.server import Server
from ranker.slate import Mode
from tests.integration.conftest import settings, write_log

WIDE = Bounds(max_calibration_ratio=1e6, max_score_seconds=60.0)


@pytest.fixture(scope="session")
def two_models(trained, tmp_path_factory):
    """Returns a home with two models that score differently; not to be served from: copy it."""
    home = shutil.copytree(trained, tmp_path_factory.mktemp("two") / "home")
    write_log(home / "short.csv", num_rows=900)
    options = TrainingOptions(seed=1, created_at=datetime(2026, 2, 1, tzinfo=UTC))
    train_ctr(home / "short.csv", home / "schemas" / "shop.toml", home / "models", options)
    return home


@pytest.fixture
def home(two_models, tmp_path):
    return shutil.copytree(two_models, tmp_path / "home")


@pytest.fixture
def ages(home):
    return [directory.name for directory in model_directories(Home(home).models)["shop"]]


def change(home, do):
    return change_rollout(home / "models" / "shop" / ROLLOUT_FILE, do)


def experiment(home, ages, share=0.5, bounds=WIDE):
    arms = (Arm("canary", ages[1], share),)
    pinned = change(home, lambda old: changes.pin(old, ages[0], ages))
    assert pinned.pinned == ages[0]
    change(home, lambda old: changes.start(old, Experiment("spring", arms, bounds), ages))


def metric(server, name, **labels):
    return server.parts.metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_pinned_model_answers_and_a_rollback_brings_the_other(client, home, ages, make_request):
    assert client.rank(make_request("newest")).model_version == ages[1]
    run = CliRunner()
    told = run.invoke(app, ["models", "pin", "shop", ages[0], "--home", str(home), "--json"])
    assert json.loads(told.output)["served"] == ages[0]
    served = client.reload()
    assert {m["version"]: m.get("is_default", False) for m in served["models"]} == {
        ages[0]: True,
        ages[1]: False,
    }
    assert client.rank(make_request("pinned")).model_version == ages[0]
    assert client.rank(make_request("asked", model_version=ages[1])).model_version == ages[1]
    run.invoke(app, ["models", "rollback", "shop", "--home", str(home)])
    client.reload()
    assert client.rank(make_request("back")).model_version == ages[1]


def test_a_unit_stays_in_its_arm_and_the_log_knows_it(server, client, home, ages, make_request):
    experiment(home, ages)
    client.reload()
    seen = {}
    for i in range(40):
        answers = [client.rank(make_request(f"r{i} {j}", unit_id=f"user {i}")) for j in range(2)]
        assert answers[0].arm == answers[1].arm
        seen[answers[0].arm] = answers[0]
        assert {a.model_version for a in answers} == {ages[1] if answers[0].arm == "canary" else ages[0]}
    assert set(seen) == {"control", "canary"}
    for arm, answer in seen.items():
        kept = server.parts.store.find_decision(answer.decision_id)
        assert (kept.experiment, kept.arm) == ("spring", arm)
    counted = sum(metric(server, "adranker_arm_answers_total", arm=arm) for arm in seen)
    assert counted == 80
    own = client.rank(make_request("own", model_version=ages[0]))
    assert own.experiment == own.arm == ""


def test_decisions_of_both_arms_replay_after_the_experiment_and_a_restart(home, ages, make_request):
    experiment(home, ages)
    names = [f"r{i}" for i in range(20)]
    first = Server(settings(home, exploration_ratio=0.5))
    first.start()
    with RankerClient(first.address) as client:
        assert {client.rank(make_request(name)).arm for name in names} == {"control", "canary"}
    first.close()
    change(home, lambda old: changes.roll_back(old, ages))
    second = Server(settings(home))
    second.start()
    with RankerClient(second.address) as client:
        replayed = [client.replay_decision(name) for name in names]
        explained = client.explain(names[0])
    second.close()
    assert all(one["is_equal"] for one in replayed)
    assert {one["logged"]["arm"] for one in replayed} == {"control", "canary"}
    assert explained["is_equal"]


def test_the_experiment_is_part_of_the_draws_seed(client, home, ages, make_request):
    def draws():
        modes = Mode(no_log=True)
        return [client.rank(make_request(f"{i}", mode=modes)).slate[0].creative.draw for i in range(30)]

    client.reload()
    before = draws()
    assert draws() == before
    change(home, lambda _: Rollout(ages[1], Experiment("spring", (Arm("canary", ages[1], 1.0),), WIDE)))
    client.reload()
    assert draws() != before


def test_a_shadow_compares_and_changes_nothing(server, client, home, ages, make_request):
    before = [client.rank(make_request(f"r{i}", mode=Mode(no_log=True))) for i in range(20)]
    change(home, lambda old: changes.shadow(old, Shadow(ages[0])))
    client.reload()
    after = [client.rank(make_request(f"r{i}")) for i in range(20)]
    for one, other in zip(before, after, strict=True):
        assert replace(one, stage_seconds={}) == replace(other, stage_seconds={})
    server.parts.rollouts.close()  # waits for the comparisons
    assert metric(server, "adranker_shadow_requests_total", result="compared") == 20
    assert metric(server, "adranker_shadow_difference_ratio_count") == 20
    assert metric(server, "adranker_shadow_difference_ratio_sum") > 0
    assert metric(server, "adranker_shadow_ctr_total", model="served") > 0


def test_an_arm_that_scores_too_slowly_is_rolled_back(server, client, home, ages, make_request):
    experiment(home, ages, bounds=Bounds(1e6, max_score_seconds=1e-9))
    client.reload()
    watch, registry = server.parts.rollouts, server.parts.registry
    watch.poll(registry)
    for i in range(120):
        client.rank(make_request(f"r{i}"))
    assert registry.current().rollouts["shop"].experiment is not None
    watch.poll(registry)
    assert registry.current().rollouts["shop"].experiment is None
    assert client.rank(make_request("after")).model_version == ages[0]
    assert metric(server, "adranker_rollout_rollbacks_total", cause="latency") == 1
    assert "takes longer" in read_rollout(home / "models" / "shop" / ROLLOUT_FILE).ended


def test_an_arm_whose_clicks_do_not_come_is_rolled_back(server, client, home, ages, make_request):
    experiment(home, ages, bounds=Bounds(1.2, max_score_seconds=60.0))
    client.reload()
    watch, registry = server.parts.rollouts, server.parts.registry
    watch.poll(registry)
    outcomes = []
    for i in range(200):
        answer = client.rank(make_request(f"r{i}"))
        # The control's ads are clicked at every position, the canary's at none.
        outcomes += [
            Outcome(f"{i} {j}", f"r{i}", j, "click", float(answer.arm == "control"), time.time())
            for j in range(len(answer.slate))
        ]
    client.report(outcomes)
    watch.poll(registry)
    assert registry.current().rollouts["shop"].experiment is None
    assert metric(server, "adranker_rollout_rollbacks_total", cause="calibration") == 1
    expected = metric(server, "adranker_arm_calibration_ratio", arm="control")
    assert expected > 1.0
    assert metric(server, "adranker_arm_calibration_ratio", arm="canary") == 0.0


def test_a_rollback_that_cannot_be_written_is_counted_and_tried_again(
    server, client, home, ages, make_request
):
    experiment(home, ages, bounds=Bounds(1e6, max_score_seconds=1e-9))
    client.reload()
    watch, registry = server.parts.rollouts, server.parts.registry
    watch.poll(registry)
    for i in range(120):
        client.rank(make_request(f"r{i}"))
    file = home / "models" / "shop" / ROLLOUT_FILE
    content = file.read_text()
    file.write_text("{")
    watch.poll(registry)
    assert metric(server, "adranker_rollout_rollback_failures_total") == 1
    file.write_text(content)
    watch.poll(registry)
    assert registry.current().rollouts["shop"].experiment is None


def test_a_rollout_of_an_unknown_model_is_refused_and_the_last_serves_on(client, home, ages, make_request):
    change(home, lambda _: Rollout("0" * 16))
    with pytest.raises(StateError, match="no such model of this schema"):
        client.reload()
    assert client.rank(make_request("on")).model_version == ages[1]


def test_no_call_fails_while_models_are_switched(home, ages, make_request):
    running = Server(settings(home, reload_seconds=0.02))
    running.start()
    stop, failures, seen = threading.Event(), [], set()

    def call(caller):
        with RankerClient(running.address) as own:
            number = 0
            while not stop.is_set():
                answer = own.rank(make_request(f"{caller} {number}"))
                seen.add(answer.model_version)
                number += 1

    def guarded(caller):
        try:
            call(caller)
        except Exception as error:  # a failed call is what this test is about
            failures.append(error)

    callers = [threading.Thread(target=partial(guarded, i)) for i in range(3)]
    for caller in callers:
        caller.start()
    for i in range(20):
        change(home, lambda old, i=i: changes.pin(old, ages[i % 2], ages))
        time.sleep(0.1)
    stop.set()
    for caller in callers:
        caller.join()
    running.close()
    assert not failures
    assert seen == set(ages)


def test_the_commands_tell_what_is_wrong(home):
    run = CliRunner()

    def refused(*words):
        return run.invoke(app, ["models", *words, "--home", str(home)]).exception

    assert "no such model of shop" in str(refused("pin", "shop", "nothing"))
    assert "has no models" in str(refused("list", "shoes"))
    bad = run.invoke(app, ["models", "experiment", "shop", "e", "--arm", "canary", "--home", str(home)])
    assert bad.exit_code == 2
    assert "NAME=VERSION=SHARE" in bad.output


def test_an_experiment_is_started_and_promoted_by_command(home, ages):
    run = CliRunner()

    def told(*words):
        done = run.invoke(app, ["models", *words, "--home", str(home), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    told("pin", "shop", ages[0])
    started = told("experiment", "shop", "spring", "--arm", f"canary={ages[1]}=0.05")
    assert started["experiment"]["arms"] == [{"name": "canary", "version": ages[1], "share": 0.05}]
    assert told("promote", "shop", "canary")["served"] == ages[1]
    assert told("rollback", "shop")["served"] == ages[0]
    assert told("shadow", "shop", ages[1], "--share", "0.5")["shadow"] == {"version": ages[1], "share": 0.5}
    assert told("shadow", "shop")["shadow"] is None
    assert told("unpin", "shop")["served"] == ages[1]
    assert (home / "models" / "shop" / ages[1] / CARD_FILE).is_file()
    assert np.all([len(each) == 16 for each in told("list", "shop")["models"]])
