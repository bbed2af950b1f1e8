"""Regularized evolution: tournaments in a population whose oldest member dies."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from nas.errors import SearchError

if TYPE_CHECKING:
    import numpy as np

    from nas.space import Architecture, SearchSpace
    from nas.trial import Trial


class RegularizedEvolution:
    """Mutates the best of a random sample of the population; the newcomer replaces the oldest.

    That members die of age and not of weakness keeps one lucky measurement from ruling for ever.

    Source: Real et al. 2019, Regularized evolution for image classifier architecture search
    (arXiv 1802.01548), algorithm 1.
    """

    def __init__(
        self,
        space: SearchSpace,
        rng: np.random.Generator,
        population_size: int = 30,
        sample_size: int = 10,
    ) -> None:
        if population_size < 1:
            raise SearchError("population_size", population_size, "must be at least 1")
        if not 1 <= sample_size <= population_size:
            raise SearchError("sample_size", sample_size, f"must be 1 … population_size = {population_size}")
        self._space = space
        self._rng = rng
        self._sample_size = sample_size
        self._population: deque[Trial] = deque(maxlen=population_size)
        self._num_asked = 0

    def ask(self) -> Architecture:
        """Draws at random until the population has been asked for once, then breeds."""
        self._num_asked += 1
        full = self._population.maxlen or 0
        if self._num_asked <= full or not self._population:
            return self._space.sample(self._rng)
        return self._space.mutate(self.parent().architecture, self._rng)

    def parent(self) -> Trial:
        """Draws a sample of the population and takes its best member."""
        size = min(self._sample_size, len(self._population))
        drawn = self._rng.choice(len(self._population), size, replace=False)
        return max((self._population[int(index)] for index in drawn), key=lambda trial: trial.quality)

    def tell(self, trial: Trial) -> None:
        """Adds a member; the oldest one leaves when there are too many."""
        self._space.check(trial.architecture)
        self._population.append(trial)
