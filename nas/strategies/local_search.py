"""Local search: move to a better neighbour, start anew where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from nas.space import Architecture, SearchSpace
    from nas.trial import Trial


class LocalSearch:
    """Tries the neighbours of the present architecture in random order, and moves when one is better.

    A neighbour differs in one block. Where no neighbour is better, the search starts anew at random.

    Source: White et al. 2021, Exploring the loss landscape in neural architecture search (arXiv 2005.02960),
    algorithm 1, moving at the first improvement.
    """

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self._present: Trial | None = None
        self._start = space.sample(rng)
        self._waiting: list[Architecture] = []

    def ask(self) -> Architecture:
        """Proposes the start, then neighbours; a new start when all of them were told in vain."""
        if self._present is None:
            return self._start
        if not self._waiting:
            self._present, self._start = None, self._space.sample(self._rng)
            return self._start
        return self._waiting.pop()

    def tell(self, trial: Trial) -> None:
        """Moves if it is the start, or better than where the search is."""
        self._space.check(trial.architecture)
        if self._present is None:
            arrived = trial.architecture == self._start
        else:
            arrived = trial.quality > self._present.quality
        if arrived:
            self._present = trial
            self._waiting = self._neighbours(trial.architecture)

    def _neighbours(self, architecture: Architecture) -> list[Architecture]:
        near = [
            (*architecture[:index], choice, *architecture[index + 1 :])
            for index, size in enumerate(self._space.sizes)
            for choice in range(size)
            if choice != architecture[index]
        ]
        return [near[int(index)] for index in self._rng.permutation(len(near))]
