"""ProxylessNAS: single paths train the weights, pairs of operations move the chances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nas.strategies.slopes import DrawingStrategy, softmax, through_softmax

if TYPE_CHECKING:
    from nas.space import FloatArray


class Proxyless(DrawingStrategy):
    """Binary gates: the weights only ever see one operation in every block, drawn by p = softmax(α).

    To move α, two operations of each block are drawn by p without replacement, one of them is let through by
    its chance among the two, and the slopes of the two gates stand for those of their chances:
    ∂/∂α_i = p_i (g_i − Σ_j p_j g_j) over the pair. α is then shifted so that the pair's joint chance is what
    it was; operations that were not drawn keep theirs.

    Source: Cai, Zhu and Han 2019, ProxylessNAS (arXiv 1812.00332), section 3.2 and equation 4.
    """

    def _step(self) -> None:
        self._relaxation.learn(tuple(map(self._gates, self.shares)))
        self._move()

    def _move(self) -> None:
        """Moves the logits of a pair in every block."""
        before = [logits.copy() for logits in self._descent.logits]
        pairs = tuple(map(self._pair, before))
        slopes = self._relaxation.slopes(tuple(map(self._gates, pairs)))
        self._descent.step(tuple(map(through_softmax, pairs, slopes)))
        for logits, old, pair in zip(self._descent.logits, before, pairs, strict=True):
            drawn = pair > 0.0
            logits[~drawn] = old[~drawn]
            logits[drawn] += np.logaddexp.reduce(old[drawn]) - np.logaddexp.reduce(logits[drawn])

    def _pair(self, logits: FloatArray) -> FloatArray:
        """Draws two operations by their chances without replacement (Gumbel top two): chances among them."""
        noisy = logits + self._rng.gumbel(size=len(logits))
        drawn = np.argsort(noisy)[-2:]
        pair = np.zeros(len(logits))
        pair[drawn] = softmax(logits[drawn])
        return pair
