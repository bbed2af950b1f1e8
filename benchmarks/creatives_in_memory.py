"""The policy of learner and selector on listed worlds without files, so fast enough for many seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandit.argmax import DrawPool, PooledSpace
from bandit.features import FeatureIndex
from bandit.hierarchy import learned_prior
from bandit.memory import Memory
from bandit.outcomes import count_cells
from bandit.posterior import Posterior
from bandit.streaming import absorb
from benchmarks.creatives_world import numbered, with_compositions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bandit.learner import LearnerSettings
    from benchmarks.creatives_tables import Table

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]


class InMemory:
    """Thompson sampling with the factorization machine, as the learner and the selector do it."""

    def __init__(self, table: Table, settings: LearnerSettings, seed: int) -> None:
        self.table, self.settings, self.seed = table, settings, seed
        index = FeatureIndex(table.catalogue)
        self.spaces = [index.space(space.id) for space in table.catalogue.spaces]
        self.numbers = numbered(self.spaces, table.creatives)
        self.rows = with_compositions(table.rows, self.spaces, self.numbers, table.space_of)
        self.groups = index.groups()
        self.origin = Posterior.prior(table.catalogue, settings.num_factors, settings.scales, seed)
        self.posterior = self.origin
        self.memory = Memory.of(self.origin, index.num_fields)
        self.version, self.changes = 0, 0

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression."""
        settings = self.settings
        tempered = self.posterior.tempered(
            settings.linear_temperature, settings.factors_temperature, settings.composition_temperature
        )
        pool = DrawPool(tempered.draws(settings.num_draws, np.random.default_rng([self.seed, self.version])))
        draws = rng.integers(settings.num_draws, size=items.size)
        explores, u = rng.random(items.size) < settings.floor, rng.random(items.size)
        chosen = np.empty(items.size, np.int64)
        pooled: dict[int, PooledSpace] = {}
        for item in np.unique(items).tolist():
            where, space = np.flatnonzero(items == item), int(self.table.space_of[item])
            if space not in pooled:
                pooled[space] = PooledSpace(pool, self.spaces[space])
            numbers = self.numbers[space]
            context = self.rows[item, numbers[0], : len(self.table.catalogue.context_fields)]
            winners = pooled[space].ballot(np.ascontiguousarray(context)).winners[draws[where]]
            random = (u[where] * numbers.size).astype(np.int64)
            chosen[where] = numbers[np.where(explores[where], random, winners)]
        return chosen

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Updates the posterior and its prior."""
        settings = self.settings
        cells = count_cells(self.rows[items, chosen], clicks)
        memory, changed = self.memory.faded(settings.power).checked(self.posterior, cells, settings.change)
        self.changes += changed is not None
        memory = memory.joined(cells)
        self.posterior = memory.posterior(self.posterior, absorb)
        memory = memory.folded(self.posterior, settings.capacity)
        if settings.learns_prior:
            memory = memory.under(learned_prior(self.groups, self.origin, memory.prior, self.posterior))
        self.memory = memory
        self.version += 1
