"""Simulated click logs with a known attention curve, under three logging policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ranker.attention.click_log import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Policy = Callable[["World", int, np.random.Generator], Sessions]

BATCH = 2000


@dataclass(frozen=True, slots=True)
class World:
    """Users of the position-based model: each query has m items, of which k are shown."""

    attention: Floats  # (k,)
    attractiveness: Floats  # (queries, m)

    def clicks(self, items: Ints, rng: np.random.Generator) -> Sessions:
        """Returns what users click on the slates items (s, k)."""
        chance = self.attention * self.attractiveness.ravel()[items]
        return Sessions(items, rng.random(items.shape) < chance, self.attractiveness.size)


def default_world(rng: np.random.Generator, low: float = 0.05, high: float = 0.5) -> World:
    """Returns 50 queries of 8 items, attractiveness uniform in [low, high], 6 positions."""
    return World(np.array([1.0, 0.72, 0.52, 0.40, 0.31, 0.25]), rng.uniform(low, high, (50, 8)))


def randomised(world: World, num_sessions: int, rng: np.random.Generator) -> Sessions:
    """Returns sessions whose slates were shuffled."""
    queries, m = world.attractiveness.shape
    query = rng.integers(queries, size=num_sessions)
    order = rng.random((num_sessions, m)).argsort(axis=1)[:, : len(world.attention)]
    return world.clicks(query[:, None] * m + order, rng)


def static(world: World, num_sessions: int, rng: np.random.Generator) -> Sessions:
    """Returns sessions of a ranker that never changes its mind: best item first."""
    queries, m = world.attractiveness.shape
    query = rng.integers(queries, size=num_sessions)
    order = (-world.attractiveness).argsort(axis=1)[query, : len(world.attention)]
    return world.clicks(query[:, None] * m + order, rng)


def thompson_ranked(
    world: World, num_sessions: int, rng: np.random.Generator, batch: int = BATCH
) -> Sessions:
    """Returns sessions ranked by draws from Beta posteriors of each item's plain click rate.

    The policy learns after every `batch` sessions, knows nothing of attention, and reinforces its own order.
    """
    beliefs = np.ones((2, world.attractiveness.size))
    parts = []
    for first in range(0, num_sessions, batch):
        parts.append(_ranked_by_draws(world, min(batch, num_sessions - first), beliefs, rng))
        beliefs += _evidence(parts[-1])
    items, clicks = (np.concatenate([getattr(part, name) for part in parts]) for name in ("items", "clicks"))
    return Sessions(items, clicks, world.attractiveness.size)


def thompson_one_posterior(world: World, num_sessions: int, rng: np.random.Generator) -> Sessions:
    """Returns sessions ranked by draws from one posterior, learned from 5,000 earlier shuffled slates."""
    beliefs = 1.0 + _evidence(randomised(world, 5000, rng))
    return _ranked_by_draws(world, num_sessions, beliefs, rng)


def _ranked_by_draws(world: World, num_sessions: int, beliefs: Floats, rng: np.random.Generator) -> Sessions:
    queries, m = world.attractiveness.shape
    query = rng.integers(queries, size=num_sessions)
    candidates = query[:, None] * m + np.arange(m)
    draws = rng.beta(beliefs[0][candidates], beliefs[1][candidates])
    order = (-draws).argsort(axis=1)[:, : len(world.attention)]
    return world.clicks(np.take_along_axis(candidates, order, axis=1), rng)


def _evidence(sessions: Sessions) -> Floats:
    """Returns clicks and skips (2, num_items)."""
    clicks, skips = (
        np.bincount(sessions.items[kept], minlength=sessions.num_items)
        for kept in (sessions.clicks, ~sessions.clicks)
    )
    return np.array([clicks, skips], np.float64)
