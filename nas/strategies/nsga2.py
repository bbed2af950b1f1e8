"""NSGA-II: evolution towards the whole front of quality against latency."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError
from nas.pareto import crowding, ranks

if TYPE_CHECKING:
    from nas.space import Architecture, FloatArray, SearchSpace
    from nas.trial import Trial


class Nsga2:
    """Keeps the best fronts of parents and children together; breeds by tournaments of two.

    A tournament goes to the lower front, and within one to the member with more room around it. Children are
    crossed uniformly, and with the probability 1 − crossover only mutated; each is mutated once.

    Source: Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II.
    """

    def __init__(
        self,
        space: SearchSpace,
        rng: np.random.Generator,
        population_size: int = 30,
        crossover: float = 0.9,
    ) -> None:
        if population_size < 2:
            raise SearchError("population_size", population_size, "must be at least 2")
        if not 0.0 <= crossover <= 1.0:
            raise SearchError("crossover", crossover, "must be a probability")
        self._space = space
        self._rng = rng
        self._size = population_size
        self._crossover = crossover
        self._parents: list[Trial] = []
        self._fitness = _fitness([])
        self._children: list[Trial] = []

    def ask(self) -> Architecture:
        """Draws at random until the first population is full, then breeds."""
        if not self._parents:
            return self._space.sample(self._rng)
        child = self._tournament()
        if self._rng.random() < self._crossover:
            child = self._space.cross(child, self._tournament(), self._rng)
        return self._space.mutate(child, self._rng)

    def tell(self, trial: Trial) -> None:
        """Adds a child; a full generation of them is merged with its parents, and the best half lives on."""
        self._space.check(trial.architecture)
        if isnan(trial.latency):
            raise SearchError(
                "trial.latency", trial.latency, "NSGA-II needs it: it weighs quality against it"
            )
        self._children.append(trial)
        if len(self._children) < self._size:
            return
        # An architecture told again counts once, by its last trial: copies would crowd out the front.
        everyone = list({t.architecture: t for t in (*self._parents, *self._children)}.values())
        rank, room = _fitness(everyone)
        best = np.lexsort((-room, rank))[: self._size]
        self._parents, self._children = [everyone[index] for index in best], []
        self._fitness = _fitness(self._parents)

    def _tournament(self) -> Architecture:
        rank, room = self._fitness
        a, b = self._rng.integers(len(self._parents), size=2)
        winner = a if (rank[a], -room[a]) <= (rank[b], -room[b]) else b
        return self._parents[int(winner)].architecture


def _fitness(trials: list[Trial]) -> tuple[FloatArray, FloatArray]:
    """Gives each trial its front and its room within it."""
    quality = np.array([trial.quality for trial in trials])
    latency = np.array([trial.latency for trial in trials])
    rank = ranks(quality, latency)
    room = np.empty(len(trials))
    for level in np.unique(rank):
        members = rank == level
        room[members] = crowding(quality[members], latency[members])
    return rank.astype(np.float64), room
