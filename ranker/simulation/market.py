"""Who competes for a request: ads of advertisers with budgets, and what each bids for a click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.parameters import WorldParameters
    from ranker.simulation.scenario import MarketSettings
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

    @property
    def attributes(self) -> dict[str, Floats]:
        """Returns each named attribute of the ads `(ads,)`."""
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
    attributes: dict[str, Floats]
    landscape: Ints  # (ads,), row of `quantiles`
    quantiles: Floats  # (landscapes, probabilities)

    @staticmethod
    def of(streams: Streams, settings: MarketSettings, parameters: WorldParameters) -> LandscapeMarket:
        """Returns a market whose advertisers take the fitted landscapes in turn."""
        advertiser = np.arange(settings.ads) % settings.advertisers
        attributes = {}
        for name, share in settings.attributes.items():
            has = np.zeros(settings.ads)
            order = streams.generator(f"attribute {name}").permutation(settings.ads)
            has[order[: round(share * settings.ads)]] = 1.0
            attributes[name] = has
        quantiles = np.array([each.quantiles for each in parameters.landscapes]) / PRICE_UNIT
        return LandscapeMarket(
            streams, settings.candidates, advertiser, attributes, advertiser % len(quantiles), quantiles
        )

    def offers(self, visits: Visits, has_budget: Bools) -> Offers:
        """Returns the offers; whose advertiser is out of budget competes last, and bids nothing."""
        n = self.num_candidates
        u = self.streams.uniforms("eligible", visits.number, len(self.advertiser))
        able = has_budget[self.advertiser]
        ads = np.argpartition(u + ~able, n - 1, axis=1)[:, :n] if n < u.shape[1] else np.argsort(u, axis=1)
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
