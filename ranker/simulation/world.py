"""The world: who comes, who competes, who clicks, what it costs; what it remembers from batch to batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.simulation.auction import click_prices, with_reserve
from ranker.simulation.conversions import DelayedConversions
from ranker.simulation.examination import DRAWS, Chain, PositionBased
from ranker.simulation.market import LandscapeMarket
from ranker.simulation.scenario import AttentionModel
from ranker.simulation.streams import Streams
from ranker.simulation.tastes import LogisticTastes
from ranker.simulation.visits import SessionArrivals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.conversions import Conversions
    from ranker.simulation.examination import Examination
    from ranker.simulation.market import Market, Offers
    from ranker.simulation.parameters import WorldParameters
    from ranker.simulation.scenario import LivePolicy, Scenario
    from ranker.simulation.tastes import Tastes
    from ranker.simulation.visits import Arrivals, Visits

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Bools: TypeAlias = NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class WorldState:
    """What changes: how often users have looked at ads, what advertisers have spent today, the day."""

    exposure: NDArray[np.float32]  # (users, ads)
    spent: Floats  # (advertisers,)
    day: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """What a policy may see of a batch, and the truth `ctr` `(B, n)` that it may not."""

    visits: Visits
    offers: Offers
    ctr: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What happened at the shown positions, all `(B, k)`."""

    ads: Ints
    bids: Floats
    chance: Floats  # P(click), the truth that no log holds
    clicked: Bools
    price: Floats  # of a click there
    converted_at: Floats  # seconds of the run; infinity: never


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The parts, each replaceable by another that keeps its Protocol."""

    scenario: Scenario
    segments: tuple[str, ...]
    streams: Streams
    attention: Floats  # (k,), what policies believe in and prices are computed with
    arrivals: Arrivals
    market: Market
    tastes: Tastes
    examination: Examination
    conversions: Conversions

    @staticmethod
    def of(scenario: Scenario, parameters: WorldParameters) -> World:
        """Returns the world of a scenario with the parts that come with the package."""
        streams = Streams(scenario.seed)
        k, fitted = scenario.market.positions, parameters.attention.curve
        if k > len(fitted):
            raise InvalidInputError("market.positions", k, f"attention was fitted for {len(fitted)}")
        curve = np.array(fitted[:k])
        looks: dict[AttentionModel, Examination] = {
            AttentionModel.POSITION_BASED: PositionBased(curve),
            AttentionModel.CASCADE: Chain(1.0, 1.0),
            AttentionModel.DBN: Chain(parameters.attention.satisfaction, parameters.attention.perseverance),
        }
        return World(
            scenario,
            parameters.segments.names,
            streams,
            curve,
            SessionArrivals.of(streams, scenario.traffic, parameters),
            LandscapeMarket.of(streams, scenario, parameters),
            LogisticTastes.of(streams, scenario, parameters),
            looks[scenario.behaviour.attention],
            DelayedConversions.of(streams, scenario.market.ads, scenario.behaviour, parameters.delays),
        )

    @staticmethod
    def under(policy: LivePolicy, scenario: Scenario, parameters: WorldParameters) -> World:
        """Returns the scenario's world with the policy's prices, learning and belief in attention."""
        world = World.of(scenario.under(policy), parameters)
        if policy.attention is None:
            return world
        return replace(world, attention=np.array(policy.attention))

    def start(self) -> WorldState:
        """Returns the state before the first request."""
        market = self.scenario.market
        return WorldState(
            np.zeros((self.scenario.traffic.users, market.ads), np.float32), np.zeros(market.advertisers)
        )

    def requests(self, index: int, state: WorldState) -> Requests:
        """Returns the requests of a batch; a new day renews budgets and lets users recover."""
        visits = self.arrivals.batch(index)
        if visits.day != state.day:
            state.exposure *= (1.0 - self.scenario.behaviour.daily_recovery) ** (visits.day - state.day)
            state.spent[:] = 0.0
            state.day = visits.day
        offers = self.market.offers(visits, self._has_budget(state))
        exposure = state.exposure[visits.user[:, None], offers.ads].astype(np.float64)
        return Requests(visits, offers, self.tastes.ctr(visits, offers.ads, exposure))

    def outcomes(self, requests: Requests, slates: Ints, quality: Floats, state: WorldState) -> Outcomes:
        """Shows slates `(B, k)` of candidates, and moves the state on.

        `quality` `(B, n)` is the predicted ctr that prices are computed with.
        """
        visits, offers = requests.visits, requests.offers
        ads = np.take_along_axis(offers.ads, slates, axis=1)
        bids = np.take_along_axis(offers.bids, slates, axis=1)
        ctr = np.take_along_axis(requests.ctr, slates, axis=1)
        shown_quality = np.take_along_axis(quality, slates, axis=1)
        uniforms = self.streams.uniforms("click", visits.number, DRAWS * slates.shape[1])
        looked, clicked = self.examination.clicks(ctr, uniforms)
        market = self.scenario.market
        runner_up = _best_not_shown(offers.bids * quality, slates)
        price = with_reserve(
            click_prices(market.pricing, bids, shown_quality, self.attention, runner_up), bids, market.reserve
        )
        np.add.at(
            state.exposure, (np.broadcast_to(visits.user[:, None], ads.shape)[looked], ads[looked]), 1.0
        )
        paid = np.where(clicked, price, 0.0)
        state.spent += np.bincount(
            self.market.advertiser[ads].ravel(), paid.ravel(), minlength=len(state.spent)
        )
        chance = self.examination.click_chances(ctr)
        return Outcomes(ads, bids, chance, clicked, price, self.conversions.times(visits, ads, clicked))

    def _has_budget(self, state: WorldState) -> Bools:
        budget = self.scenario.market.daily_budget
        has: Bools = state.spent < (np.inf if budget is None else budget)
        return has


def _best_not_shown(scores: Floats, slates: Ints) -> Floats:
    """Returns the greatest score of the candidates outside the slate `(B,)`, 0 where all are shown."""
    left = scores.copy()
    np.put_along_axis(left, slates, 0.0, axis=1)
    best: Floats = left.max(axis=1)
    return best
