"""DSNAS: weights and chances learn together from single paths, as they will be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nas.strategies.slopes import DrawingStrategy

if TYPE_CHECKING:
    from nas.space import FloatArray

BASELINE_RATE = 0.05


class Dsnas(DrawingStrategy):
    """Draws one operation s of every block by p = softmax(α), trains it, and moves α by what its gate costs.

    The drawn operation's output is multiplied by a gate of 1; its cost is g = ∂ loss / ∂ gate, and α moves
    against (g − b) ∇ log p_s = (g − b)(e_s − p). b is the running mean of the block's costs, which takes
    noise away and no more. Nothing but single paths is ever run, so what is proposed needs no other weights
    than those of the search.

    Source: Hu et al. 2020, DSNAS: direct neural architecture search without parameter retraining
    (arXiv 2002.09128), section 3.3; the baseline is ours, as is moving α on other rows than the weights.
    """

    _baselines: FloatArray | None = None

    def _step(self) -> None:
        shares = self.shares
        gates = tuple(map(self._gates, shares))
        self._relaxation.learn(gates)
        slopes = self._relaxation.slopes(gates)
        costs = np.array([slope @ gate for slope, gate in zip(slopes, gates, strict=True)])
        if self._baselines is None:
            self._baselines = costs
        gains = costs - self._baselines
        self._baselines = self._baselines + BASELINE_RATE * gains
        self._descent.step(
            tuple(gain * (gate - share) for gain, gate, share in zip(gains, gates, shares, strict=True))
        )
