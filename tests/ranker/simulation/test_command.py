import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from ranker.cli import app
from ranker.errors import InvalidInputError, StateError
from ranker.simulation.report.page import render
from ranker.simulation.scenario import LivePolicy, MarketSettings, shipped_scenarios
from ranker.simulation.study import run_study
from tests.ranker.simulation.worlds import PARAMETERS, small_scenario

SCENARIO = """
name = "small"
[traffic]
sessions = 240
sessions_per_day = 120
batch_sessions = 10
users = 100
[market]
ads = 8
advertisers = 4
candidates = 5
positions = 2
attributes = { new = 0.5 }
[[constraints]]
name = "new"
attribute = "new"
relation = "at_least"
limit = 0.4
violation_price = 3.0
[[policies]]
name = "present"
[[policies]]
name = "more"
limits = { new = 0.6 }
"""


def simulate(tmp_path, out):
    command = [sys.executable, "-m", "ranker.cli", "simulate", str(tmp_path / "small.toml"), "--json"]
    return subprocess.Popen(
        [*command, "--out", str(tmp_path / out)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def result(process):
    printed, _ = process.communicate(timeout=280)
    assert process.returncode == 0
    found = json.loads(printed)
    del found["report"]
    return found


def test_a_run_that_was_killed_goes_on_and_gives_the_same_result(tmp_path):
    (tmp_path / "small.toml").write_text(SCENARIO)
    killed = simulate(tmp_path, "killed")
    deadline = time.monotonic() + 280
    while not list((tmp_path / "killed").glob("small/policy-00/batches-*")):
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "small" / "report.html").exists()
    assert result(simulate(tmp_path, "killed")) == result(simulate(tmp_path, "whole"))
    assert (tmp_path / "killed" / "small" / "report.html").exists()


def test_the_report_needs_nothing_from_outside(tmp_path):
    seen = []
    study = run_study(small_scenario(sessions=200), PARAMETERS, tmp_path, lambda *args: seen.append(args))
    page = render(study)
    assert not re.search(r"(src|href)=.https?:|url\(http|@import", page)
    assert page.count("<svg") == 7
    assert "half new brands" in page
    assert "at least 50% of attention" in page
    assert small_scenario().question in page.replace("&#39;", "'")
    assert {what for what, _, _ in seen} == {
        "live: present limits",
        "live: half new brands",
        "live: no limits",
        "limits and attention",
    }
    last = {what: (done, total) for what, done, total in seen}
    assert all(done == total for done, total in last.values())


def test_checkpoints_of_another_scenario_are_not_taken_for_this_one(tmp_path):
    scenario = small_scenario(sessions=100, sessions_per_day=100, policies=small_scenario().policies[:1])
    run_study(scenario, PARAMETERS, tmp_path, lambda *_: None)
    with pytest.raises(StateError, match="another scenario"):
        run_study(replace(scenario, seed=2), PARAMETERS, tmp_path, lambda *_: None)
    flat = replace(PARAMETERS, tastes=replace(PARAMETERS.tastes, ad_scale=0.0))
    with pytest.raises(StateError, match="world"):
        run_study(scenario, flat, tmp_path, lambda *_: None)
    with pytest.raises(StateError, match="--log"):
        run_study(scenario, PARAMETERS, tmp_path, lambda *_: None, log=True)


def command_line(*arguments):
    return CliRunner().invoke(app, ["simulate", *arguments])


def test_the_list_says_what_each_scenario_is_for():
    found = json.loads(command_line("--list", "--json").stdout)
    assert [each["name"] for each in found] == list(shipped_scenarios())
    assert all(each["question"].endswith("?") and each["policies"] for each in found)
    shown = command_line("--list").stdout
    assert all(each["name"] in shown for each in found)


def test_without_a_scenario_the_known_are_named():
    failure = command_line().exception
    assert isinstance(failure, InvalidInputError)
    assert "marketplace" in str(failure)


def test_a_market_of_one_ad_at_one_position_has_a_report(tmp_path):
    market = MarketSettings(ads=1, advertisers=1, candidates=1, positions=1)
    one = small_scenario(
        sessions=100, sessions_per_day=100, market=market, constraints=(), policies=(LivePolicy("only"),)
    )
    study = run_study(one, PARAMETERS, tmp_path, lambda *_: None)
    assert study.policies[0].revenue.value == pytest.approx(0.05 * study.policies[0].clicks.value)
    assert "only" in render(study)


def test_a_run_without_clicks_says_so(tmp_path):
    scenario = small_scenario(sessions=100, sessions_per_day=100)
    scenario = replace(scenario, behaviour=replace(scenario.behaviour, click_logit=-10.0))
    with pytest.raises(InvalidInputError, match=r"0 clicks.*click_logit"):
        run_study(scenario, PARAMETERS, tmp_path, lambda *_: None)


def test_the_report_names_the_world_that_was_simulated(tmp_path):
    scenario = small_scenario(sessions=100, sessions_per_day=100, policies=small_scenario().policies[:1])
    own = replace(PARAMETERS, sources={"delays": "our own log"})
    page = render(run_study(scenario, own, tmp_path, lambda *_: None))
    assert "our own log" in page
    assert "Yandex" not in page
