"""What a run leaves: one row a request, as arrays that go to disk in parts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ranker.simulation.policy import Served
    from ranker.simulation.world import Outcomes, Requests

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The requests of a run in order; R requests, k positions, K constraints (0 without the pipeline)."""

    number: NDArray[np.uint64]  # (R,)
    seconds: Floats  # (R,)
    segment: Ints  # (R,)
    ads: Ints  # (R, k)
    bids: Floats  # (R, k)
    predicted: Floats  # (R, k), ctr
    chance: Floats  # (R, k), the true P(click)
    clicked: Bools  # (R, k)
    price: Floats  # (R, k)
    converted_at: Floats  # (R, k)
    use: Floats  # (R, K), expected
    limit: Floats  # (R, K)
    dual: Floats  # (R, K)

    def __len__(self) -> int:
        return len(self.number)

    @property
    def value(self) -> Floats:
        """Returns the value of the clicks of each request `(R,)`."""
        value: Floats = (self.clicked * self.bids).sum(axis=1)
        return value

    @property
    def expected_value(self) -> Floats:
        """Returns its expectation over the clicks `(R,)`, which only a simulation knows."""
        value: Floats = (self.chance * self.bids).sum(axis=1)
        return value

    @property
    def revenue(self) -> Floats:
        """Returns what was paid for each request `(R,)`."""
        revenue: Floats = (self.clicked * self.price).sum(axis=1)
        return revenue

    def arrays(self) -> dict[str, Any]:
        """Returns the columns by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def make_rows(requests: Requests, served: Served, outcomes: Outcomes, ctr: Floats) -> Rows:
    """Returns the rows of a batch."""
    reports = [d.constraints for d in served.decisions]
    use, limit, dual = (
        np.array([[getattr(c, name) for c in row] for row in reports], np.float64).reshape(
            len(requests.visits), len(reports[0]) if reports else 0
        )
        for name in ("expected_use", "limit", "dual")
    )
    return Rows(
        number=requests.visits.number,
        seconds=requests.visits.seconds,
        segment=requests.visits.segment,
        ads=outcomes.ads,
        bids=outcomes.bids,
        predicted=np.take_along_axis(ctr, served.slates, axis=1),
        chance=outcomes.chance,
        clicked=outcomes.clicked,
        price=outcomes.price,
        converted_at=outcomes.converted_at,
        use=use,
        limit=limit,
        dual=dual,
    )


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Returns the rows of some parts, one after another."""
    return Rows(
        **{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Rows)}
    )
