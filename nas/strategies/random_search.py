"""Random search: the reference that every other strategy has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from nas.space import Architecture, SearchSpace
    from nas.trial import Trial


class RandomSearch:
    """Draws architectures uniformly and independently.

    Source: Li and Talwalkar 2019, Random search and reproducibility for neural architecture search
    (arXiv 1902.07638).
    """

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng

    def ask(self) -> Architecture:
        """Draws one."""
        return self._space.sample(self._rng)

    def tell(self, trial: Trial) -> None:
        """Checks the architecture and learns nothing."""
        self._space.check(trial.architecture)
