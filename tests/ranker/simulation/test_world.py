from dataclasses import replace

import numpy as np
import pytest

from ranker.errors import InvalidInputError, NotFoundError
from ranker.simulation.parameters import read_parameters
from ranker.simulation.policy import GreedyPolicy
from ranker.simulation.scenario import Scenario, Traffic, read_scenario, shipped_scenarios
from ranker.simulation.world import World
from ranker.strict_toml import from_object
from tests.ranker.simulation.worlds import PARAMETERS, small_scenario


def world(**changes):
    return World.of(small_scenario(**changes), PARAMETERS)


def test_every_shipped_scenario_can_be_simulated():
    for name in shipped_scenarios():
        scenario = read_scenario(name)
        made = World.of(scenario, PARAMETERS)
        assert len(made.requests(0, made.start()).visits) >= scenario.traffic.batch_sessions


def test_visits_come_in_order_within_their_day_and_hours():
    made = world(sessions=4000, sessions_per_day=2000, batch_sessions=2000)
    for index in range(2):
        visits = made.arrivals.batch(index)
        assert (np.diff(visits.seconds) >= 0).all()
        assert (visits.seconds // 86_400 == index).all()
        starts = visits.hour[visits.depth == 0]
        share = np.bincount(starts, minlength=24) / len(starts)
        # Starts are spread evenly over the quantiles: no hour is off by more than two sessions.
        assert np.abs(share - PARAMETERS.season.volume).max() < 2 / 2000
        assert len(np.unique(visits.number)) == len(visits)


def test_sessions_go_on_as_often_as_they_should():
    visits = world(sessions=20_000, sessions_per_day=20_000, batch_sessions=20_000).arrivals.batch(0)
    again = (visits.depth == 1).sum() / (visits.depth == 0).sum()
    assert abs(again - 0.35) < 4 * np.sqrt(0.35 * 0.65 / 20_000)


def test_bids_follow_the_landscapes():
    made = world(sessions=20_000, sessions_per_day=20_000, batch_sessions=20_000)
    offers = made.requests(0, made.start()).offers
    bids = np.sort(offers.bids[offers.ads == 0])
    knots = np.array(PARAMETERS.landscapes[0].quantiles) / 50
    assert bids.min() >= knots[0]
    assert bids.max() <= knots[-1]
    share = np.searchsorted(bids, knots[1:-1]) / len(bids)
    expected = np.linspace(0, 1, len(knots))[1:-1]
    assert np.abs(share - expected).max() < 2 / np.sqrt(len(bids))


def test_whoever_has_spent_its_budget_competes_no_more_until_the_next_day():
    scenario = small_scenario()
    made = World.of(replace(scenario, market=replace(scenario.market, daily_budget=5.0)), PARAMETERS)
    state = made.start()
    state.spent[:3] = 5.0
    offers = made.requests(0, state).offers
    assert not np.isin(made.market.advertiser[offers.ads], (0, 1, 2)).any()
    next_day = made.requests(2, state)
    assert state.spent.sum() == 0.0
    assert np.isin(made.market.advertiser[next_day.offers.ads], (0, 1, 2)).any()


def test_what_was_seen_tires_and_recovers():
    made = world()
    state = made.start()
    requests = made.requests(0, state)
    slates = GreedyPolicy(4).serve(requests, requests.ctr).slates
    made.outcomes(requests, slates, requests.ctr, state)
    assert state.exposure.sum() > 0
    again = made.requests(0, state)
    assert (again.ctr <= requests.ctr).all()
    assert (again.ctr < requests.ctr).any()
    before = state.exposure.sum()
    made.requests(2, state)
    assert state.exposure.sum() == pytest.approx(before / 2)


def test_a_policy_changes_no_draw_of_the_world():
    made = world()
    requests = made.requests(0, made.start())
    best = GreedyPolicy(4).serve(requests, requests.ctr).slates
    swapped = best[:, [1, 0, 2, 3]]
    one, other = (made.outcomes(requests, slates, requests.ctr, made.start()) for slates in (best, swapped))
    assert (one.clicked[:, 2:] == other.clicked[:, 2:]).all()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"traffic": {"sessions": 0}}, "sessions"),
        ({"traffic": {"batch_sessions": 300}}, "batch_sessions"),
        ({"market": {"candidates": 3}}, "candidates"),
        ({"market": {"pricing": "third"}}, "pricing"),
        ({"behaviour": {"ad_fatigue": -1.0}}, "ad_fatigue"),
        ({"policies": []}, "policies"),
        ({"policies": [{"name": "a"}, {"name": "a"}]}, "policies.name"),
        ({"policies": [{"name": "a", "limits": {"x": 0.1}}]}, "policies"),
        ({"colour": 1}, "colour"),
        ({"market": {"colour": 1}}, "colour"),
    ],
)
def test_a_broken_scenario_is_named(changes, field):
    content = {"name": "x", "policies": [{"name": "a"}]} | changes
    with pytest.raises(InvalidInputError, match=field):
        from_object(content, Scenario, "x.toml")


def test_an_unknown_scenario_lists_the_known():
    with pytest.raises(NotFoundError, match="marketplace"):
        read_scenario("nowhere")


def test_parameters_of_another_format_are_refused(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"format": "old"}')
    with pytest.raises(InvalidInputError):
        read_parameters(path)


def test_half_days_are_no_batches():
    with pytest.raises(InvalidInputError, match="batch_sessions"):
        Traffic(sessions=1000, sessions_per_day=300, batch_sessions=200)
