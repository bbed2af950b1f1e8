"""A logged bandit in which everything can be enumerated: the truth of the coverage benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.replay.logged_batch import WeightedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

CONTEXTS, ACTIONS = 8, 10


@dataclass(frozen=True, slots=True)
class World:
    """Equally likely contexts: what actions earn there, who logs, who is judged, what a model believes."""

    ctr: Floats  # (C, A)
    logging: Floats  # (C, A)
    target: Floats  # (C, A)
    believed: Floats  # (C, A), of a reward model that is off by a third

    @property
    def value(self) -> float:
        """What the target is worth."""
        return float((self.target * self.ctr).sum() / CONTEXTS)

    @property
    def logged_value(self) -> float:
        """What the logging policy is worth."""
        return float((self.logging * self.ctr).sum() / CONTEXTS)

    @property
    def max_weight(self) -> float:
        """Largest possible weight."""
        return float((self.target / self.logging).max())


def make_world(rng: np.random.Generator) -> World:
    """Logging explores a fifth of the time; the target prefers other actions."""
    ctr = rng.uniform(0.05, 0.35, size=(CONTEXTS, ACTIONS))
    logging = 0.8 * rng.dirichlet(np.full(ACTIONS, 2.0), CONTEXTS) + 0.2 / ACTIONS
    target = 0.5 * logging + 0.5 * rng.dirichlet(np.ones(ACTIONS), CONTEXTS)
    return World(ctr, logging, target, ctr * rng.uniform(2 / 3, 4 / 3, size=ctr.shape))


def draw_log(world: World, n: int, rng: np.random.Generator) -> WeightedRows:
    """Draw n rows as the estimators see them."""
    cells = np.cumsum(world.logging.reshape(-1) / CONTEXTS)
    cell = np.minimum(np.searchsorted(cells, rng.random(n), side="right"), cells.size - 1)
    rewards = (rng.random(n) < world.ctr.reshape(-1)[cell]).astype(float)
    weights = (world.target / world.logging).reshape(-1)[cell]
    expected = (world.target * world.believed).sum(axis=1)
    return WeightedRows(
        rewards, weights, world.believed.reshape(-1)[cell], expected[cell // ACTIONS], np.arange(n)
    )
