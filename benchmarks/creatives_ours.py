"""The shipped policy on listed worlds: learner and selector as the service runs them, files included."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome
from bandit.snapshot import load
from benchmarks.creatives_world import numbered, with_compositions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bandit.posterior import Posterior
    from benchmarks.creatives_tables import Table

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]


class Shipped:
    """Learns through `CreativeLearner`; samples what `ThompsonSelector` claims to do with each creative."""

    def __init__(self, table: Table, seed: int) -> None:
        self.table = table
        self.folder = TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.learner = CreativeLearner(table.catalogue, self.root, LearnerSettings(seed=1000 * seed, keep=1))
        self.spaces = [space.id for space in table.catalogue.spaces]
        self.version = self.learner.start(0.0).version
        self.sequence = 0
        selector = load(self.root, self.version).selector()
        indexed = [selector.index.space(name) for name in self.spaces]
        self.numbers = numbered(indexed, table.creatives)
        self.rows = with_compositions(table.rows, indexed, self.numbers, table.space_of)

    @property
    def posterior(self) -> Posterior:
        """The current belief, untempered."""
        return load(self.root, self.version).posterior

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression."""
        selector = load(self.root, self.version).selector()
        chosen = np.empty(items.size, np.int64)
        for item in np.unique(items).tolist():
            where = np.flatnonzero(items == item)
            space = int(self.table.space_of[item])
            shares = selector.propensities(self.spaces[space], self.table.contexts[item])
            chosen[where] = self.numbers[space][rng.choice(shares.size, size=where.size, p=shares)]
        return chosen

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Reports the outcomes and takes over the new posterior."""
        table = self.table
        outcomes = [
            CreativeOutcome(
                self.spaces[table.space_of[item]], table.contexts[item], table.creatives[creative], click
            )
            for item, creative, click in zip(items.tolist(), chosen.tolist(), clicks.tolist(), strict=True)
        ]
        self.sequence += len(outcomes)
        self.version = self.learner.learn(outcomes, self.sequence, 0.0)
