from dataclasses import replace

import pytest

from ranker.errors import InvalidInputError, NotFoundError
from ranker.simulation.scenario import Scenario, Traffic, read_scenario, shipped_scenarios
from ranker.simulation.study import run_study
from ranker.strict_toml import from_object
from tests.ranker.simulation.worlds import PARAMETERS

LIMIT = {"name": "l", "attribute": "x", "relation": "at_least", "limit": 0.1}


@pytest.mark.parametrize("name", shipped_scenarios())
def test_every_shipped_scenario_goes_through_the_pipeline(name, tmp_path):
    scenario = read_scenario(name)
    assert scenario.name == name
    assert scenario.question.endswith("?")
    traffic = replace(scenario.traffic, sessions=80, sessions_per_day=40, batch_sessions=40, users=30)
    study = run_study(replace(scenario, traffic=traffic), PARAMETERS, tmp_path, lambda *_: None)
    assert [each.name for each in study.policies] == [each.name for each in scenario.policies]
    assert all(each.value.low < each.value.value < each.value.high for each in study.policies)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"traffic": {"sessions": 0}}, "sessions"),
        ({"traffic": {"batch_sessions": 300}}, "batch_sessions"),
        ({"market": {"candidates": 3}}, "market.positions = 4.*1 … 3"),
        ({"market": {"ads": 0}}, "market.ads = 0"),
        ({"market": {"advertisers": 41}}, "market.advertisers = 41"),
        ({"market": {"daily_budget": 0}}, "daily_budget = 0"),
        ({"market": {"reserve": float("nan")}}, "market.reserve = nan"),
        ({"market": {"new_share": 0.8}}, "market.candidates = 12.*1 … 8"),
        ({"market": {"attributes": {"new_ad": 0.1}}}, "new_ad"),
        ({"market": {"new_share": 0.1}, "traffic": {"sessions": 2000}}, "more than one day"),
        ({"name": "../x"}, "name = '../x'"),
        ({"name": ""}, "name = ''"),
        ({"seed": -1}, "seed = -1"),
        ({"behaviour": {"late_tail": 0.0}}, "late_tail = 0.0"),
        ({"market": {"pricing": "third"}}, "pricing"),
        ({"behaviour": {"ad_fatigue": -1.0}}, "ad_fatigue"),
        ({"policies": []}, "policies"),
        ({"policies": [{"name": "a"}, {"name": "a"}]}, "policies.name"),
        ({"policies": [{"name": "a", "limits": {"x": 0.1}}]}, "policies"),
        ({"policies": [{"name": "a", "without": ["x"]}]}, r"policies\[a\].without = 'x'"),
        ({"policies": [{"name": "a", "reserve": -1}]}, r"policies\[a\].reserve = -1"),
        ({"policies": [{"name": "a", "attention": [1, 1, 1, 1]}]}, "first policy believes"),
        (
            {"policies": [{"name": "a"}, {"name": "b", "attention": [1, 0.5]}]},
            r"b\].attention.length = 2.*4",
        ),
        ({"policies": [{"name": "a"}, {"name": "b", "attention": [1, 0.5, 0.6, 0]}]}, "must not rise"),
        ({"constraints": [LIMIT, LIMIT]}, "constraints.name = 'l'"),
        ({"constraints": [LIMIT | {"attribute": "y"}]}, "attribute = 'y'.*has x"),
        ({"constraints": [LIMIT | {"violation_price": -1}]}, "violation_price = -1"),
        ({"colour": 1}, "colour"),
        ({"market": {"colour": 1}}, "colour"),
    ],
)
def test_a_broken_scenario_is_named(changes, named):
    content = {"name": "x", "market": {"attributes": {"x": 0.5}}, "policies": [{"name": "a"}]} | changes
    with pytest.raises(InvalidInputError, match=named):
        from_object(content, Scenario, "x.toml")


def test_an_unknown_scenario_lists_the_known():
    with pytest.raises(NotFoundError, match="marketplace"):
        read_scenario("nowhere")


def test_half_days_are_no_batches():
    with pytest.raises(InvalidInputError, match="batch_sessions"):
        Traffic(sessions=1000, sessions_per_day=300, batch_sessions=200)
