"""What the learner remembers: recent outcomes as counts, and a belief that stands for all earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bandit.outcomes import Cells, merged

if TYPE_CHECKING:
    from bandit.posterior import Posterior


class Refit(Protocol):
    """Updates a belief by cells, searching from a belief near the result: closed form or SVI."""

    def __call__(self, base: Posterior, cells: Cells, start: Posterior, /) -> Posterior:
        """Returns the posterior."""
        ...


@dataclass(frozen=True)
class Memory:
    """Evidence for a posterior: base(θ) · Π_cells Binomial(clicks | impressions, θ).

    `base` is the prior times what is no longer held as counts; `prior` may change, the evidence stays.

    Independent Gaussians forget which weights were learned together. A chain of them, each the prior of the
    next, puts what the shown creatives taught on shared weights and so misjudges the creatives that are no
    longer shown. Refitting from the counts does not; only what the counts no longer hold is in `base`.
    """

    prior: Posterior
    base: Posterior
    cells: Cells

    @classmethod
    def of(cls, prior: Posterior, num_fields: int) -> Memory:
        """Starts without outcomes."""
        return cls(prior, prior, Cells(np.empty((0, num_fields), np.int32), np.empty(0), np.empty(0)))

    def faded(self, power: float) -> Memory:
        """Lets the evidence fade: (base · likelihood)^power · prior^(1 − power)."""
        if power == 1.0:
            return self
        counts = Cells(self.cells.rows, power * self.cells.num_impressions, power * self.cells.num_clicks)
        return Memory(self.prior, self.base.forgotten(self.prior, power), counts)

    def joined(self, cells: Cells) -> Memory:
        """Adds a batch."""
        return Memory(self.prior, self.base, merged(self.cells, cells))

    def posterior(self, start: Posterior, refit: Refit) -> Posterior:
        """Fits the posterior, searching from a belief near it."""
        return refit(self.base, self.cells, start)

    def folded(self, posterior: Posterior, capacity: int) -> Memory:
        """Replaces the counts by the posterior fitted to them, once they are more cells than `capacity`."""
        if len(self.cells.rows) <= capacity:
            return self
        return Memory(self.prior, posterior, Memory.of(self.prior, self.cells.rows.shape[1]).cells)

    def under(self, prior: Posterior) -> Memory:
        """Exchanges the prior; the evidence stays."""
        return Memory(prior, self.base.rebased(self.prior, prior), self.cells)
