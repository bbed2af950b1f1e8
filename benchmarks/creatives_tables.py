"""Worlds small enough to list: every creative of every item with its true click rate."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bandit.errors import CreativeError
from bandit.space import CreativeCatalogue, CreativeSpace, Slot
from benchmarks.creatives_world import World, all_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

AES_SIZES = (2, 5, 8, 5)
AES_SLOTS = ("background", "size", "text", "font")


@dataclass(frozen=True)
class Table:
    """rows (N, C, A): one-hot columns of each item's creatives; feasible, ctr (N, C); the cadence.

    Items are uniform among those of the day: the first N / days of them on the first day, and so on. `once`
    shows each item once, in random order. Outcomes are learned `delay` impressions late, those of the uniform
    warm-up at once.
    """

    rows: NDArray[np.int32]
    feasible: NDArray[np.bool_]
    ctr: NDArray[np.float64]
    catalogue: CreativeCatalogue
    space_of: NDArray[np.int64]
    contexts: list[dict[str, int]]
    creatives: list[dict[str, str]]
    impressions: int
    warm_up: int
    cadence: int
    days: int = 1
    once: bool = False
    delay: int = 0

    def __post_init__(self) -> None:
        most = len(self.rows) if self.once else np.iinfo(np.int64).max
        for name, low, high in (
            ("impressions", 1, most),
            ("warm_up", 1, self.impressions),
            ("cadence", 1, self.impressions),
            ("delay", 0, self.impressions),
        ):
            if not low <= getattr(self, name) <= high:
                raise CreativeError(name, getattr(self, name), f"must be from {low} to {high}")

    @property
    def bounds(self) -> list[int]:
        """Impressions after which the policies learn, from 0 on."""
        return sorted(
            {0, self.warm_up, *range(self.cadence, self.impressions, self.cadence), self.impressions}
        )

    @property
    def digest(self) -> str:
        """Identifies the world and its cadence."""
        found = hashlib.sha256()
        for array in (self.rows, self.feasible, self.ctr, self.space_of):
            found.update(np.ascontiguousarray(array).tobytes())
        cadence = (self.impressions, self.warm_up, self.cadence, self.days, self.once, self.delay)
        found.update(repr((cadence, self.contexts, self.creatives)).encode())
        return found.hexdigest()[:12]

    def drawn(self, start: int, stop: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draws the items of a period within one day."""
        size = len(self.rows) // self.days
        day = start * self.days // self.impressions
        return day * size + rng.integers(size, size=stop - start)

    def regret(self, items: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
        """Expected clicks lost against the best creative of each item."""
        best = np.where(self.feasible, self.ctr, -np.inf).max(axis=1)
        return float((best[items] - self.ctr[items, chosen]).sum())


class Policy(Protocol):
    """Chooses for many impressions at once; learns between two periods."""

    def __call__(self, items: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Chooses a creative for each impression."""

    def learn(self, items: NDArray[np.int64], chosen: NDArray[np.int64], clicks: NDArray[np.float64]) -> None:
        """Takes in the clicks of a period."""


def autoco(path: Path) -> Table:
    """AutoCO's simulated world, by its cadence."""
    return listed(World.load(path))


def listed(world: World) -> Table:
    """A world of the shape of AutoCO's, by its cadence."""
    catalogue, space_of = world.catalogue()
    contexts = [{"category": int(c), "template": int(t)} for c, t in world.items]
    creatives = [{f"s{s}": str(e) for s, e in enumerate(row)} for row in world.creatives.tolist()]
    return Table(
        all_rows(world),
        world.feasible,
        world.ctr,
        catalogue,
        space_of,
        contexts,
        creatives,
        impressions=200_000,
        warm_up=2_000,
        cadence=10_000,
    )


def aes(path: Path) -> Table:
    """The click rates of 200 real banners, by the cadence of Chen et al. (2021), AES: 1 million impressions.

    Text colours 0–3 go with background 0 only, 4–7 with background 1. The template is always the same.
    """
    data = np.loadtxt(path)
    elements, ctr = data[:, 2:6].astype(np.int64), data[:, -1]
    offsets = np.cumsum([0, *AES_SIZES[:-1]])
    slots = tuple(
        Slot(name, tuple(map(str, range(size)))) for name, size in zip(AES_SLOTS, AES_SIZES, strict=True)
    )
    shown = {(int(row[0]), int(row[2])) for row in elements}
    rules = tuple(
        (("background", str(a)), ("text", str(c)))
        for a in range(AES_SIZES[0])
        for c in range(AES_SIZES[2])
        if (a, c) not in shown
    )
    creatives = [dict(zip(AES_SLOTS, map(str, row), strict=True)) for row in elements.tolist()]
    return Table(
        (elements + offsets).astype(np.int32)[None],
        np.ones((1, len(ctr)), np.bool_),
        ctr[None],
        CreativeCatalogue((), slots, (CreativeSpace("banner", (), {}, rules),)),
        np.zeros(1, np.int64),
        [{}],
        creatives,
        impressions=1_000_000,
        warm_up=1_000,
        cadence=1_000,
    )


def play(table: Table, policy: Policy, seed: int) -> list[float]:
    """Plays the cadence with a uniform first period; returns the regret of each period."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(table.rows)) if table.once else None
    regrets = []
    waiting: deque[tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = deque()
    for start, stop in pairwise(table.bounds):
        items = table.drawn(start, stop, rng) if order is None else order[start:stop]
        if start == 0:
            # The largest of uniform numbers is any of them; infeasible ones do not take part.
            numbers = np.where(table.feasible[items], rng.random((items.size, table.feasible.shape[1])), -1.0)
            chosen = numbers.argmax(axis=1)
        else:
            chosen = policy(items, rng)
        clicks = (rng.random(items.size) < table.ctr[items, chosen]).astype(np.float64)
        regrets.append(table.regret(items, chosen))
        waiting.append((stop + table.delay * (start > 0), items, chosen, clicks))
        while waiting and waiting[0][0] <= stop:
            policy.learn(*waiting.popleft()[1:])
    return regrets
