"""Who chooses the slates: the real pipeline, or a greedy rule where only the world is of interest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from ranker.errors import RankerError
from ranker.pipeline import PipelineSettings
from ranker.rank_many import rank_many
from ranker.scoring.schema import FeatureSchema, Field
from ranker.simulation.auction import pure_auction
from ranker.slate import Candidates, Context, RankRequest
from ranker.snapshot import Snapshot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.scenario import LivePolicy
    from ranker.simulation.world import Requests, World
    from ranker.slate import Constraint, Decision

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

SCHEMA_ID = "simulation"


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """The slates of a batch `(B, k)` of candidates, and what the pipeline said of them."""

    slates: Ints
    requests: tuple[RankRequest, ...] = ()
    decisions: tuple[Decision, ...] = ()


class Policy(Protocol):
    """Chooses slates."""

    def serve(self, requests: Requests, ctr: Floats) -> Served:
        """Returns the slates for predicted ctr `(B, n)`."""
        ...


@dataclass(frozen=True, slots=True)
class GreedyPolicy:
    """Shows the greatest bid·ctr first, as an auction without constraints does."""

    num_positions: int

    def serve(self, requests: Requests, ctr: Floats) -> Served:
        """Returns the slates."""
        return Served(pure_auction(requests.offers.bids, ctr, self.num_positions))


@dataclass(frozen=True, slots=True, eq=False)
class PipelinePolicy:
    """Ranks every request by `ranker.pipeline`, as the server does."""

    world: World
    policy: LivePolicy
    snapshot: Snapshot = field(init=False)
    constraints: tuple[Constraint, ...] = field(init=False)
    attributes: tuple[str, ...] = field(init=False)  # (K,), what each constraint speaks of
    ad_ids: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        scenario = self.world.scenario
        kept = [each for each in scenario.constraints if each.name not in self.policy.without]
        set_field = object.__setattr__
        set_field(self, "snapshot", simulation_snapshot(len(self.world.segments)))
        set_field(self, "attributes", tuple(each.attribute for each in kept))
        set_field(self, "ad_ids", tuple(f"ad-{i:03d}" for i in range(scenario.market.ads)))
        set_field(
            self,
            "constraints",
            tuple(each.constraint(self.policy.limits.get(each.name, each.limit)) for each in kept),
        )

    def serve(self, requests: Requests, ctr: Floats) -> Served:
        """Returns the slates, the requests as they were asked, and the decisions."""
        asked = self.requests(requests, ctr)
        settings = PipelineSettings(
            exploration_ratio=self.policy.exploration_ratio,
            draw_key=self.world.streams.key("slate").tobytes(),
        )
        decisions = []
        for answer in rank_many(asked, self.snapshot, settings, num_threads=1):
            if isinstance(answer, RankerError):
                raise answer
            decisions.append(answer)
        place = [{name: i for i, name in enumerate(request.candidates.ids)} for request in asked]
        slates = np.array(
            [[of[ad.candidate_id] for ad in d.shown] for of, d in zip(place, decisions, strict=True)],
            np.int64,
        )
        return Served(slates, asked, tuple(decisions))

    def requests(self, requests: Requests, ctr: Floats) -> tuple[RankRequest, ...]:
        """Returns the batch as the service would receive it; the scores come with the request."""
        visits, offers = requests.visits, requests.offers
        ids = [[self.ad_ids[i] for i in row] for row in offers.ads.tolist()]
        numbers, segments = visits.number.tolist(), visits.segment.tolist()
        named = self.world.market.attributes(visits.day)
        columns = np.array([named[name] for name in self.attributes])
        of_ads = columns.reshape(len(self.attributes), self.world.scenario.market.ads)
        weights = of_ads[:, offers.ads].transpose(1, 0, 2)  # (B, K, n)
        return tuple(
            RankRequest(
                request_id=request_id(numbers[b]),
                schema_id=SCHEMA_ID,
                context=Context(categorical=np.array([segments[b] + 1])),
                candidates=Candidates(tuple(ids[b]), offers.bids[b], ctr=ctr[b]),
                num_positions=self.world.scenario.market.positions,
                constraints=self.constraints,
                constraint_weights=weights[b],
                attention=self.world.attention,
            )
            for b in range(len(visits))
        )


def request_id(number: int) -> str:
    """Returns the id of a request, from which its random streams follow."""
    return f"sim-{number:012d}"


def simulation_snapshot(num_segments: int) -> Snapshot:
    """Returns what the pipeline needs to know of a simulated request: its one context field."""
    segment = Field("segment", "categorical", "context", size=num_segments + 1)  # 0: unknown
    return Snapshot({SCHEMA_ID: FeatureSchema(SCHEMA_ID, "click", (segment,))}, {})
