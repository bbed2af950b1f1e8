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


def thompson_ranked(world: World, num_sessions: int, rng: np.random.Generator) -> Sessions:
    """Returns sessions ranked by draws from Beta posteriors of each item's plain click rate.

    The policy learns every 2,000 sessions, knows nothing of attention, and so reinforces its own order.
    """
    queries, m = world.attractiveness.shape
    clicks, impressions = np.zeros((2, world.attractiveness.size))
    parts = []
    for first in range(0, num_sessions, BATCH):
        query = rng.integers(queries, size=min(BATCH, num_sessions - first))
        candidates = query[:, None] * m + np.arange(m)
        draws = rng.beta(1 + clicks[candidates], 1 + (impressions - clicks)[candidates])
        order = (-draws).argsort(axis=1)[:, : len(world.attention)]
        part = world.clicks(np.take_along_axis(candidates, order, axis=1), rng)
        impressions += np.bincount(part.items.ravel(), minlength=len(clicks))
        clicks += np.bincount(part.items[part.clicks], minlength=len(clicks))
        parts.append(part)
    items, clicked = (np.concatenate([getattr(p, name) for p in parts]) for name in ("items", "clicks"))
    return Sessions(items, clicked, world.attractiveness.size)
