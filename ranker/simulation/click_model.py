"""What a policy believes: the ctr of each segment and ad, learned from what it has shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.scenario import Learning

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Bools: TypeAlias = NDArray[np.bool_]

BASE_RATE = 0.15  # before anything was seen


class ClickModel(Protocol):
    """Predicts ctr, and learns."""

    def predict(self, segment: Ints, ads: Ints) -> Floats:
        """Returns the predicted ctr `(B, n)` of ads `(B, n)` for segments `(B,)`."""
        ...

    def learn(self, segment: Ints, ads: Ints, clicked: Bools, day: int) -> None:
        """Takes in what was shown `(B, k)` and clicked, on that day."""
        ...

    def state(self) -> dict[str, Floats]:
        """Returns everything that it has learned, for a checkpoint."""
        ...

    def restore(self, state: dict[str, Floats]) -> None:
        """Takes up what a checkpoint holds."""
        ...


@dataclass(slots=True, eq=False)
class ShrunkRates:
    """Clicks over attention by segment and ad, shrunk to the ad's rate, and that to the rate of all.

    ctr(s, i) = (clicks_si + c·ctr(i)) / (attention_si + c),  ctr(i) = (clicks_i + c·ctr) / (attention_i + c)

    An impression at position j counts aⱼ: what a position is not looked at is no dislike.
    """

    attention: Floats  # (k,), as believed
    learning: Learning
    clicks: Floats  # (segments, ads)
    looks: Floats  # (segments, ads)
    day: int = 0

    @staticmethod
    def of(attention: Floats, learning: Learning, shape: tuple[int, int]) -> ShrunkRates:
        """Returns a model of (segments, ads) that has seen nothing."""
        return ShrunkRates(attention, learning, np.zeros(shape), np.zeros(shape))

    def predict(self, segment: Ints, ads: Ints) -> Floats:
        """Returns the predicted ctr `(B, n)`."""
        predicted: Floats = self.table()[segment[:, None], ads]
        return predicted

    def table(self) -> Floats:
        """Returns the predicted ctr `(segments, ads)`."""
        prior = self.learning.prior_impressions
        overall = (self.clicks.sum() + prior * BASE_RATE) / (self.looks.sum() + prior)
        ad = (self.clicks.sum(axis=0) + prior * overall) / (self.looks.sum(axis=0) + prior)
        # A click at a position that is believed to be hardly looked at counts for more than one look.
        table: Floats = np.minimum((self.clicks + prior * ad) / (self.looks + prior), 1.0)
        return table

    def learn(self, segment: Ints, ads: Ints, clicked: Bools, day: int) -> None:
        """Takes in what was shown; what was seen before fades with the half-life."""
        if day != self.day:
            kept = 0.5 ** ((day - self.day) / self.learning.half_life_days)
            self.clicks *= kept
            self.looks *= kept
            self.day = day
        cell = segment[:, None] * self.clicks.shape[1] + ads
        looks = np.broadcast_to(self.attention, ads.shape)
        for total, amount in ((self.clicks, clicked), (self.looks, looks)):
            total += np.bincount(cell.ravel(), amount.ravel(), total.size).reshape(total.shape)

    def state(self) -> dict[str, Floats]:
        """Returns everything that it has learned."""
        return {"clicks": self.clicks, "looks": self.looks, "day": np.array(float(self.day))}

    def restore(self, state: dict[str, Floats]) -> None:
        """Takes up what a checkpoint holds."""
        self.clicks[:], self.looks[:] = state["clicks"], state["looks"]
        self.day = int(state["day"])
