"""SNAS: gradient descent on a distribution of architectures, through draws that are nearly one-hot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import SearchError
from nas.strategies.slopes import DescentSettings, DrawingStrategy, softmax, through_softmax

if TYPE_CHECKING:
    import numpy as np

    from nas.space import SearchSpace
    from nas.strategies.slopes import Relaxation


@dataclass(frozen=True)
class SnasSettings(DescentSettings):
    """How the distribution is moved, and how sharp its draws are."""

    hot: float = 3.0
    """Temperature at the start: draws are near the mean."""
    cold: float = 0.3
    """Temperature below which it does not fall: draws are nearly one-hot."""
    cooling: float = 0.99
    """Factor of the temperature a step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cold > 0.0:
            raise SearchError("cold", self.cold, "must be positive")
        if self.hot < self.cold:
            raise SearchError("hot", self.hot, f"must not be below the cold end, {self.cold}")
        if not 0.0 < self.cooling <= 1.0:
            raise SearchError("cooling", self.cooling, "must be in (0, 1]")


class Snas(DrawingStrategy):
    """Descends E[loss(Z)] over Z = softmax((α + G) / τ), G Gumbel noise, one draw a step.

    The same draw trains the weights and then moves α, on other rows. As τ falls, what is trained comes close
    to single architectures, so less is lost between search and proposal than with DARTS.

    Source: Xie et al. 2019, SNAS: stochastic neural architecture search (arXiv 1812.09926), equations 4–8;
    there one batch moves weights and α together.
    """

    def __init__(
        self,
        space: SearchSpace,
        relaxation: Relaxation,
        rng: np.random.Generator,
        settings: SnasSettings | None = None,
    ) -> None:
        self._settings = settings or SnasSettings()
        super().__init__(space, relaxation, rng, self._settings)
        self.temperature = self._settings.hot
        """τ of the next step."""

    def _step(self) -> None:
        drawn = tuple(
            softmax((logits + self._rng.gumbel(size=len(logits))) / self.temperature)
            for logits in self._descent.logits
        )
        self._relaxation.learn(drawn)
        back = map(through_softmax, drawn, self._relaxation.slopes(drawn))
        self._descent.step(tuple(slope / self.temperature for slope in back))
        self.temperature = max(self.temperature * self._settings.cooling, self._settings.cold)
