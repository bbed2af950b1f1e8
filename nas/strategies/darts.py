"""DARTS: gradient descent on the shares of operations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nas.errors import SearchError
from nas.strategies.slopes import DescentSettings, GradientStrategy, UnrolledRelaxation, through_softmax

if TYPE_CHECKING:
    from nas.space import SearchSpace
    from nas.strategies.slopes import Relaxation


@dataclass(frozen=True)
class DartsSettings(DescentSettings):
    """How the shares are moved, and of which order the slopes are."""

    look_ahead: float = 0.0
    """ξ, the size of the weights' step that the slopes look ahead by: the second order. 0 is the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.look_ahead >= 0.0:
            raise SearchError("look_ahead", self.look_ahead, "must not be negative")


class Darts(GradientStrategy):
    """Takes turns: a step of the weights, then one of p = softmax(α) against the loss on other rows.

    In the first order (ξ = 0) the weights are held where they are; in the second they are taken to answer
    by a step of ξ, so that shares are judged by what the weights would become under them. An architecture is
    proposed as the largest α of every block; the loss that was descended is that of the mixture, so what is
    proposed has still to be judged by itself.

    Source: Liu et al. 2019, DARTS: differentiable architecture search (arXiv 1806.09055), algorithm 1.

    Raises:
        SearchError: the second order is asked of a relaxation that has only the first.
    """

    def __init__(
        self, space: SearchSpace, relaxation: Relaxation, settings: DartsSettings | None = None
    ) -> None:
        settings = settings or DartsSettings()
        super().__init__(space, relaxation, settings)
        self._slopes = relaxation.slopes
        if settings.look_ahead:
            if not isinstance(relaxation, UnrolledRelaxation):
                name = type(relaxation).__name__
                raise SearchError("look_ahead", settings.look_ahead, f"{name} cannot look ahead")
            self._slopes = partial(relaxation.unrolled_slopes, look_ahead=settings.look_ahead)

    def _step(self) -> None:
        shares = self.shares
        self._relaxation.learn(shares)
        self._descent.step(tuple(map(through_softmax, shares, self._slopes(shares))))
