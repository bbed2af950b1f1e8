from dataclasses import replace

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.simulation.policy import GreedyPolicy
from ranker.simulation.scenario import Learning, LivePolicy, MarketSettings, Pricing
from ranker.simulation.world import World
from tests.ranker.simulation.worlds import PARAMETERS, small_scenario


def world(**changes):
    return World.of(small_scenario(**changes), PARAMETERS)


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


def test_new_ads_compete_from_their_launch_and_are_new_for_some_days():
    scenario = small_scenario(sessions=2000, sessions_per_day=200, batch_sessions=200)
    market = replace(scenario.market, new_share=0.25, new_days=2)
    made = World.of(replace(scenario, market=market), PARAMETERS)
    launch = made.market.launch
    assert sorted(launch[launch > 0]) == [1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    state = made.start()
    for day in range(10):
        offers = made.requests(day, state).offers
        assert set(np.unique(offers.ads)) == set(np.flatnonzero(launch <= day))
        is_new = made.market.attributes(day)["new_ad"]
        assert set(np.flatnonzero(is_new)) == set(
            np.flatnonzero((launch > 0) & (launch <= day) & (launch > day - 2))
        )


def test_late_conversions_have_the_tail_that_was_asked_for():
    scenario = small_scenario(sessions=20_000, sessions_per_day=20_000, batch_sessions=20_000)
    behaviour = replace(scenario.behaviour, conversion_rate=1.0, late_share=0.4, late_tail=1.5)
    made = World.of(replace(scenario, behaviour=behaviour), PARAMETERS)
    visits = made.arrivals.batch(0)
    ads = np.zeros((len(visits), 1), np.int64)
    delay = made.conversions.times(visits, ads, ads == 0)[:, 0] - visits.seconds
    days = delay[np.isfinite(delay)] / 86_400
    # Fitted delays hardly ever exceed two days; the bound is four standard errors of a share of n.
    for at_least, share in ((2.0, 0.4 * 2**-1.5), (8.0, 0.4 * 8**-1.5)):
        assert abs((days > at_least).mean() - share) < 4 * np.sqrt(share / len(days)) + 0.004


def test_a_policy_may_have_prices_learning_and_a_belief_in_attention_of_its_own():
    other = LivePolicy(
        "other",
        pricing=Pricing.FIRST_PRICE,
        reserve=0.5,
        learning=Learning(half_life_days=1.0),
        attention=(1.0, 0.5, 0.5, 0.1),
    )
    scenario = small_scenario()
    scenario = replace(scenario, policies=(*scenario.policies, other))
    made = World.under(other, scenario, PARAMETERS)
    assert made.attention.tolist() == [1.0, 0.5, 0.5, 0.1]
    assert made.examination.attention.tolist() == list(PARAMETERS.attention.curve[:4])
    assert made.scenario.learning.half_life_days == 1.0
    requests = made.requests(0, made.start())
    slates = GreedyPolicy(4).serve(requests, requests.ctr).slates
    outcomes = made.outcomes(requests, slates, requests.ctr, made.start())
    assert (outcomes.price == outcomes.bids).all()
    plain = World.under(scenario.policies[0], scenario, PARAMETERS)
    assert plain.scenario == scenario
    assert plain.attention.tolist() == list(PARAMETERS.attention.curve[:4])


def test_more_positions_than_were_fitted_are_refused():
    market = MarketSettings(ads=40, candidates=12, positions=11)
    with pytest.raises(InvalidInputError, match=r"market.positions = 11.*10"):
        World.of(small_scenario(market=market, constraints=(), policies=(LivePolicy("a"),)), PARAMETERS)
