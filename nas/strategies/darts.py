"""DARTS: gradient descent on the shares of operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import SearchError
from nas.strategies.slopes import GradientStrategy, through_softmax

if TYPE_CHECKING:
    from nas.space import SearchSpace
    from nas.strategies.slopes import Relaxation


@dataclass(frozen=True)
class DartsSettings:
    """How long and how fast the shares are moved."""

    rate: float = 0.03
    """Step of Adam on the logits."""
    steps: int = 50
    """Steps before each architecture that is proposed."""

    def __post_init__(self) -> None:
        for name in ("rate", "steps"):
            if not getattr(self, name) > 0:
                raise SearchError(name, getattr(self, name), "must be positive")


class Darts(GradientStrategy):
    """Takes turns: a step of the weights, then one of p = softmax(α) against the loss on other rows.

    This is the first-order form (ξ = 0). An architecture is proposed as the largest α of every block; the
    loss that was descended is that of the mixture, so what is proposed has still to be judged by itself.

    Source: Liu et al. 2019, DARTS: differentiable architecture search (arXiv 1806.09055), algorithm 1.
    """

    def __init__(
        self, space: SearchSpace, relaxation: Relaxation, settings: DartsSettings | None = None
    ) -> None:
        settings = settings or DartsSettings()
        super().__init__(space, relaxation, settings.rate, settings.steps)

    def _step(self) -> None:
        shares = self.shares
        self._relaxation.learn(shares)
        slopes = self._relaxation.slopes(shares)
        self._descent.step(tuple(map(through_softmax, shares, slopes)))
