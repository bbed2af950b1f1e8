"""The simulated creatives that AutoCO was published with, rebuilt from what its authors released.

Chen et al. (2021), Automated creative optimization for e-commerce advertising. 167 items of two context
features, 90 creatives of four slots, each item with creatives that it may not show; all click rates known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from bandit.argmax import CountedBallot, DrawPool, PooledSpace
from bandit.features import FeatureIndex
from bandit.hierarchy import learned_prior
from bandit.memory import Memory
from bandit.outcomes import count_cells
from bandit.posterior import Posterior
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from bandit.streaming import absorb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from bandit.features import IndexedSpace
    from bandit.learner import LearnerSettings

    Choose = Callable[[NDArray[np.int64], np.random.Generator], NDArray[np.int64]]

SLOT_SIZES = (2, 3, 3, 5)
NUM_CREATIVES = 90
WARM_UP, CADENCE = 2_000, 10_000


@dataclass(frozen=True)
class World:
    """items (167, 2), creatives (90, 4), feasible (167, 90), ctr (167, 90)."""

    items: NDArray[np.int64]
    creatives: NDArray[np.int64]
    feasible: NDArray[np.bool_]
    ctr: NDArray[np.float64]

    @classmethod
    def load(cls, path: Path) -> World:
        """Reads the rebuilt world."""
        with np.load(path, allow_pickle=False) as data:
            return cls(data["ctx"], data["cre"], data["mask"], data["C"])

    def regret(self, items: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
        """Expected clicks lost against the best creative of each item."""
        best = np.where(self.feasible, self.ctr, -np.inf).max(axis=1)
        return float((best[items] - self.ctr[items, chosen]).sum())

    def catalogue(self) -> tuple[CreativeCatalogue, NDArray[np.int64]]:
        """Builds a space for each distinct set of feasible creatives; returns each item's space too."""
        masks, space_of = np.unique(self.feasible, axis=0, return_inverse=True)
        spaces = tuple(self._space(f"set{number}", mask) for number, mask in enumerate(masks))
        slots = tuple(Slot(f"s{s}", tuple(map(str, range(size)))) for s, size in enumerate(SLOT_SIZES))
        fields = (ContextField("category", 4), ContextField("template", 55))
        return CreativeCatalogue(fields, slots, spaces), space_of

    def _space(self, name: str, mask: NDArray[np.bool_]) -> CreativeSpace:
        allowed = [sorted(set(column.tolist())) for column in self.creatives[mask].T]
        shown = {tuple(row) for row in self.creatives[mask].tolist()}
        elements = {f"s{s}": tuple(map(str, values)) for s, values in enumerate(allowed)}
        rules = [
            tuple((f"s{s}", str(value)) for s, value in enumerate(row))
            for row in product(*allowed)
            if row not in shown
        ]
        return CreativeSpace(name, ("category", "template"), elements, tuple(rules))


def uniform(world: World) -> Choose:
    """A policy that shows any feasible creative."""
    tables = [np.flatnonzero(mask) for mask in world.feasible]

    def choose(items: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        return np.array([tables[item][rng.integers(len(tables[item]))] for item in items])

    return choose


class FactorizationPolicy:
    """Thompson sampling with the factorization machine, exactly as the learner and the selector do it."""

    def __init__(self, world: World, settings: LearnerSettings, seed: int) -> None:
        self.settings = settings
        catalogue, self.space_of = world.catalogue()
        self.index = FeatureIndex(catalogue)
        self.prior = self.posterior = Posterior.prior(catalogue, settings.num_factors, settings.scales, seed)
        self.memory = Memory.of(self.prior, self.index.num_fields)
        self.groups = self.index.groups()
        self.feasible = world.feasible
        number = {tuple(row): position for position, row in enumerate(world.creatives.tolist())}
        spaces = [self.index.space(space.id) for space in catalogue.spaces]
        self.creatives = [
            np.array([number[tuple(map(int, s.creative(c).values()))] for c in range(s.feasible.count)])
            for s in spaces
        ]
        self.rows = with_compositions(_all_rows(world), spaces, self.creatives, self.space_of)
        self.seed, self.version, self.changes = seed, 0, 0
        self.winners = self._winners()

    def __call__(self, items: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Chooses a creative for each impression."""
        chosen = self.winners[items, rng.integers(self.settings.num_draws, size=items.size)]
        explores = rng.random(items.size) < self.settings.floor
        chosen[explores] = [
            self.creatives[space][rng.integers(len(self.creatives[space]))]
            for space in self.space_of[items[explores]]
        ]
        return chosen

    def learn(self, items: NDArray[np.int64], chosen: NDArray[np.int64], clicks: NDArray[np.float64]) -> None:
        """Updates the posterior and its pool."""
        cells = count_cells(self.rows[items, chosen], clicks)
        memory = self.memory.faded(self.settings.power)
        memory, changed = memory.checked(self.posterior, cells, self.settings.change)
        self.changes += changed is not None
        memory = memory.joined(cells)
        self.posterior = memory.posterior(self.posterior, absorb)
        memory = memory.folded(self.posterior, self.settings.capacity)
        prior = memory.prior
        if self.settings.learns_prior:
            prior = learned_prior(self.groups, self.prior, memory.prior, self.posterior)
        self.memory = memory.under(prior)
        self.version += 1
        self.winners = self._winners()

    def _winners(self) -> NDArray[np.int64]:
        settings = self.settings
        tempered = self.posterior.tempered(
            settings.linear_temperature, settings.factors_temperature, settings.composition_temperature
        )
        pool = DrawPool(tempered.draws(settings.num_draws, np.random.default_rng([self.seed, self.version])))
        pooled = [PooledSpace(pool, self.index.space(space.id)) for space in self.index.catalogue.spaces]
        context = np.ascontiguousarray(self.rows[:, 0, :2])
        winners = np.empty((len(context), settings.num_draws), np.int64)
        for item, space in enumerate(self.space_of):
            ballot = pooled[space].ballot(context[item])
            assert isinstance(ballot, CountedBallot)
            winners[item] = self.creatives[space][ballot.winners]
        return winners


def _all_rows(world: World) -> NDArray[np.int32]:
    """Feature rows (167, 90, 6) of every creative of every item."""
    rows = np.empty((len(world.items), NUM_CREATIVES, 6), np.int32)
    rows[:, :, :2] = (world.items + np.array([0, 4]))[:, None, :]
    rows[:, :, 2:] = world.creatives + np.cumsum([59, *SLOT_SIZES[:-1]])
    return rows


def with_compositions(
    rows: NDArray[np.int32],
    spaces: list[IndexedSpace],
    creatives: list[NDArray[np.int64]],
    space_of: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Adds the column of compositions, where they have rows, to those of every creative of every item."""
    if not any(space.composition_rows.size for space in spaces):
        return rows
    column = np.full((*rows.shape[:2], 1), -1, np.int32)
    for item, space in enumerate(space_of):
        if spaces[space].composition_rows.size:
            column[item, creatives[space], 0] = spaces[space].composition_rows
    return np.concatenate([rows, column], axis=2)
