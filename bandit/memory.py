"""What the learner remembers: recent outcomes as counts, and a belief that stands for all earlier ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bandit.change import accumulated, changed_row, surprises, without_row
from bandit.outcomes import Cells, merged

if TYPE_CHECKING:
    from bandit.change import ChangeSettings
    from bandit.fm import FloatArray
    from bandit.posterior import Posterior


class Refit(Protocol):
    """Updates a belief by cells, searching from a belief near the result: closed form or SVI."""

    def __call__(self, base: Posterior, cells: Cells, start: Posterior, /) -> Posterior:
        """Returns the posterior."""
        ...


@dataclass(frozen=True)
class Memory:
    """Evidence for a posterior: base(θ) · Π_cells Binomial(clicks | impressions, θ).

    `base` is the prior times what is no longer held as counts; `prior` may change, the evidence stays. `sums`
    (2, D) is what the change detector has added up for each row.

    Independent Gaussians forget which weights were learned together. A chain of them, each the prior of the
    next, puts what the shown creatives taught on shared weights and so misjudges the creatives that are no
    longer shown. Refitting from the counts does not; only what the counts no longer hold is in `base`.
    """

    prior: Posterior
    base: Posterior
    cells: Cells
    sums: FloatArray

    @classmethod
    def of(cls, prior: Posterior, num_fields: int) -> Memory:
        """Starts without outcomes."""
        cells = Cells(np.empty((0, num_fields), np.int32), np.empty(0), np.empty(0))
        return cls(prior, prior, cells, np.zeros((2, prior.loc.linear.size)))

    def faded(self, power: float) -> Memory:
        """Lets the evidence fade: (base · likelihood)^power · prior^(1 − power)."""
        if power == 1.0:
            return self
        counts = Cells(self.cells.rows, power * self.cells.num_impressions, power * self.cells.num_clicks)
        return replace(self, base=self.base.forgotten(self.prior, power), cells=counts)

    def checked(self, belief: Posterior, new: Cells, settings: ChangeSettings) -> tuple[Memory, int | None]:
        """Looks whether a new batch contradicts the belief, before it is joined.

        Where a row has strayed too far it is told, the evidence about it fades, and all sums start again.
        """
        sums = accumulated(self.sums, surprises(belief, new), settings)
        row = changed_row(sums, settings)
        if row is None:
            return replace(self, sums=sums), None
        base, cells = without_row(self.prior, self.base, self.cells, row, settings.power)
        return replace(self, base=base, cells=cells, sums=np.zeros_like(sums)), row

    def joined(self, cells: Cells) -> Memory:
        """Adds a batch."""
        return replace(self, cells=merged(self.cells, cells))

    def posterior(self, start: Posterior, refit: Refit) -> Posterior:
        """Fits the posterior, searching from a belief near it."""
        return refit(self.base, self.cells, start)

    def folded(self, posterior: Posterior, capacity: int) -> Memory:
        """Replaces the counts by the posterior fitted to them, once they are more cells than `capacity`."""
        if len(self.cells.rows) <= capacity:
            return self
        empty = Memory.of(self.prior, self.cells.rows.shape[1]).cells
        return replace(self, base=posterior, cells=empty)

    def under(self, prior: Posterior) -> Memory:
        """Exchanges the prior; the evidence stays."""
        return replace(self, prior=prior, base=self.base.rebased(self.prior, prior))
