"""Who competes for a request: ads of advertisers with budgets, and what each bids for a click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from ranker.simulation.scenario import NEW_AD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.parameters import WorldParameters
    from ranker.simulation.scenario import Scenario
    from ranker.simulation.streams import Streams
    from ranker.simulation.visits import Visits

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Bools: TypeAlias = NDArray[np.bool_]

# iPinYou's market prices are fen per 1,000 impressions around 75; bids here are values of a click around 1.5.
PRICE_UNIT = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """The eligible ads of each request and their bids, both `(B, n)`."""

    ads: Ints
    bids: Floats


class Market(Protocol):
    """Decides which ads compete and what they bid."""

    @property
    def advertiser(self) -> Ints:
        """Returns the advertiser of each ad `(ads,)`."""
        ...

    def attributes(self, day: int) -> dict[str, Floats]:
        """Returns each named attribute of the ads `(ads,)` on a day."""
        ...

    def offers(self, visits: Visits, has_budget: Bools) -> Offers:
        """Returns the offers; `has_budget` `(advertisers,)` says who can still pay."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LandscapeMarket:
    """Ads compete at random; each bids by its campaign's landscape of market prices, anew in each request."""

    streams: Streams
    num_candidates: int
    advertiser: Ints  # (ads,)
    fixed: dict[str, Floats]  # attributes that do not change, each `(ads,)`
    launch: Ints  # (ads,), the first day on which an ad competes
    new_days: int
    landscape: Ints  # (ads,), row of `quantiles`
    quantiles: Floats  # (landscapes, probabilities)

    @staticmethod
    def of(streams: Streams, scenario: Scenario, parameters: WorldParameters) -> LandscapeMarket:
        """Returns a market whose advertisers take the fitted landscapes in turn."""
        settings = scenario.market
        advertiser = np.arange(settings.ads) % settings.advertisers
        fixed = {}
        for name, share in settings.attributes.items():
            has = np.zeros(settings.ads)
            order = streams.generator(f"attribute {name}").permutation(settings.ads)
            has[order[: round(share * settings.ads)]] = 1.0
            fixed[name] = has
        quantiles = np.array([each.quantiles for each in parameters.landscapes]) / PRICE_UNIT
        launch = np.zeros(settings.ads, np.int64)
        fresh = streams.generator("launch").permutation(settings.ads)[: settings.num_new]
        launch[fresh] = 1 + np.arange(len(fresh)) * (scenario.traffic.num_days - 1) // max(len(fresh), 1)
        landscape = advertiser % len(quantiles)
        return LandscapeMarket(
            streams, settings.candidates, advertiser, fixed, launch, settings.new_days, landscape, quantiles
        )

    def attributes(self, day: int) -> dict[str, Floats]:
        """Returns each named attribute of the ads `(ads,)` on a day."""
        is_new = (self.launch > 0) & (self.launch <= day) & (day < self.launch + self.new_days)
        return self.fixed | {NEW_AD: is_new.astype(np.float64)}

    def offers(self, visits: Visits, has_budget: Bools) -> Offers:
        """Returns the offers; whose advertiser is out of budget competes last, and bids nothing.

        Ads that are not launched yet do not compete: a scenario has more others than candidates.
        """
        n = self.num_candidates
        u = self.streams.uniforms("eligible", visits.number, len(self.advertiser))
        able = has_budget[self.advertiser]
        place = u + ~able + 2.0 * (self.launch > visits.day)
        ads = np.argpartition(place, n - 1, axis=1)[:, :n] if n < u.shape[1] else np.argsort(u, axis=1)
        ads = np.sort(ads, axis=1)  # the place among the candidates tells nothing
        bids = self._bids(ads, self.streams.uniforms("bid", visits.number, n))
        return Offers(ads, np.where(able[ads], bids, 0.0))

    def _bids(self, ads: Ints, u: Floats) -> Floats:
        """Returns the landscape's quantile function at u `(B, n)`, linear between its knots."""
        place = u * (self.quantiles.shape[1] - 1)
        left = place.astype(np.int64)
        low = self.quantiles[self.landscape[ads], left]
        high = self.quantiles[self.landscape[ads], left + 1]
        bids: Floats = low + (place - left) * (high - low)
        return bids
