"""DARTS: gradient descent on the shares of operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import SearchError
from nas.strategies.slopes import LogitDescent, through_softmax

if TYPE_CHECKING:
    from nas.space import Architecture, SearchSpace
    from nas.strategies.slopes import Relaxation, Shares
    from nas.trial import Trial


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


class Darts:
    """Takes turns: a step of the weights, then one of p = softmax(α) against the loss on other rows.

    This is the first-order form (ξ = 0). An architecture is proposed as the largest α of every block; the
    loss that was descended is that of the mixture, so what is proposed has still to be judged by itself.
    Trials teach nothing here, since the slopes have said it.

    Source: Liu et al. 2019, DARTS: differentiable architecture search (arXiv 1806.09055), algorithm 1.
    """

    def __init__(
        self, space: SearchSpace, relaxation: Relaxation, settings: DartsSettings | None = None
    ) -> None:
        self._space = space
        self._relaxation = relaxation
        self._settings = settings or DartsSettings()
        self._descent = LogitDescent(space.sizes, self._settings.rate)

    @property
    def shares(self) -> Shares:
        """The share of each operation."""
        return self._descent.shares

    def ask(self) -> Architecture:
        """Searches on, then proposes what has the largest shares."""
        for _ in range(self._settings.steps):
            shares = self.shares
            self._relaxation.learn(shares)
            slopes = self._relaxation.slopes(shares)
            self._descent.step(tuple(map(through_softmax, shares, slopes)))
        return self._descent.mode

    def tell(self, trial: Trial) -> None:
        """Checks the trial."""
        self._space.check(trial.architecture)
