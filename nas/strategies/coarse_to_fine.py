"""BigNAS's coarse-to-fine selection: skeletons on a coarse grid, then what lies around the best of them."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError

if TYPE_CHECKING:
    from nas.space import Architecture, SearchSpace
    from nas.trial import Trial

MAX_GRID = 4096
"""Grids up to this size are listed; of larger ones skeletons are drawn."""


class CoarseToFine:
    """Tries skeletons with few sizes a block, then varies the best one block by block.

    The operations of a block stand in rising size. A skeleton takes one of `points` even places of every
    block: its ends, if there are two. After `num_coarse` of them, drawn without replacement, the search steps
    to the next larger or smaller operation of one block at a time around the best trial, and goes on from
    whatever is better; where nothing is, around the best trial whose surroundings were not tried.

    Source: Yu et al. 2020, BigNAS: scaling up neural architecture search with big single-stage models
    (arXiv 2003.11142), section 3.3, whose shared net is `nas.supernet.plans.Sandwich`.
    """

    def __init__(
        self, space: SearchSpace, rng: np.random.Generator, num_coarse: int = 50, points: int = 2
    ) -> None:
        if num_coarse < 1:
            raise SearchError("num_coarse", num_coarse, "must be at least 1")
        if points < 2:
            raise SearchError("points", points, "must be at least 2: both ends")
        self._space = space
        self._rng = rng
        self._queue = self._skeletons(num_coarse, points)[::-1]
        self._told: dict[Architecture, float] = {}
        self._tried: set[Architecture] = set()

    def ask(self) -> Architecture:
        """Proposes the skeletons, then the surroundings of the best trial; at random where all is tried."""
        if not self._queue:
            self._queue = self._surroundings()
        return self._queue.pop() if self._queue else self._space.sample(self._rng)

    def tell(self, trial: Trial) -> None:
        """Keeps the trial; what is better than all before is varied next."""
        self._space.check(trial.architecture)
        is_best = trial.quality > max(self._told.values(), default=-np.inf)
        self._told[trial.architecture] = trial.quality
        if is_best and self._tried:
            self._queue = []

    def _skeletons(self, num: int, points: int) -> list[Architecture]:
        places = [
            np.unique(np.linspace(0, size - 1, points).round().astype(int)).tolist()
            for size in self._space.sizes
        ]
        if prod(map(len, places)) <= MAX_GRID:
            grid = list(product(*places))
            return [grid[int(index)] for index in self._rng.permutation(len(grid))[:num]]
        drawn = (tuple(int(self._rng.choice(place)) for place in places) for _ in range(num))
        return list(dict.fromkeys(drawn))

    def _surroundings(self) -> list[Architecture]:
        """Gives untried neighbours of the best trial that has any, in random order."""
        for centre in sorted(self._told, key=self._told.__getitem__, reverse=True):
            if centre not in self._tried:
                self._tried.add(centre)
                near = [other for other in self._neighbours(centre) if other not in self._told]
                if near:
                    return [near[int(index)] for index in self._rng.permutation(len(near))]
        return []

    def _neighbours(self, centre: Architecture) -> list[Architecture]:
        return [
            (*centre[:block], choice + step, *centre[block + 1 :])
            for block, (choice, size) in enumerate(zip(centre, self._space.sizes, strict=True))
            for step in (-1, 1)
            if 0 <= choice + step < size
        ]
