"""The served policy: the optimal mixture, and with a small probability a uniformly random slate.

A mixture has at most K+1 slates, so it gives almost every slate probability 0 and its log can judge almost no
other policy. With exploration share ε the served policy is

    π(r) = (1 − ε)·Σₚ wₚ·[r = rₚ] + ε·(n − k)!/n!

which is positive everywhere. Limits hold for π, not only for the mixture, if the mixture is solved for

    b′ = (b − ε·ū) / (1 − ε),      ū = (Σⱼ aⱼ)·mean(weights)     (expected use of a uniform slate)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]


def uniform_use(weights: Floats, total: float | Floats) -> Floats:
    """Returns ū `(K,)`, the expected use of a uniformly random slate.

    Of weights `(K, n)` and the total, Σⱼ aⱼ, or totals `(K,)` where positions weigh otherwise.
    """
    use: Floats = np.add.reduce(weights, axis=1) / weights.shape[1] * total
    return use


def tightened_limits(limits: Floats, uniform: Floats, ratio: float | Floats) -> Floats:
    """Returns b′ `(…, K)`: a mixture within b′ keeps the explored policy within b."""
    return (limits - ratio * uniform) / (1.0 - ratio)


@dataclass(frozen=True, slots=True)
class ExploredMixture:
    """π of the module's docstring for n candidates: slates `(m, k)`, probabilities `(m,)`, ε = `ratio`."""

    slates: Indices
    probabilities: Floats
    num_candidates: int
    ratio: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.ratio < 1.0:
            raise InvalidInputError("exploration_ratio", self.ratio, "must lie in [0, 1)")

    def draw(self, rng: np.random.Generator) -> Indices:
        """Draws one slate `(k,)`; takes two uniforms, and more only where it explores."""
        explore, u = rng.random(2).tolist()
        if explore < self.ratio:
            return rng.permutation(self.num_candidates)[: self.slates.shape[1]].astype(np.int64)
        # The last one: probabilities sum to 1 within rounding, and u may lie in that last sliver.
        index = next((i for i, end in enumerate(accumulate(self.probabilities.tolist())) if u < end), -1)
        slate: Indices = self.slates[index]
        return slate

    def propensities(self, slate: Indices) -> tuple[float, Floats]:
        """Returns π(slate), and P(slate[j] stands at position j) for each j, `(k,)`."""
        n, k = self.num_candidates, self.slates.shape[1]
        same = self.slates == slate
        log_uniform = math.lgamma(n - k + 1) - math.lgamma(n + 1)
        served = float(self.probabilities[same.all(axis=1)].sum())
        marginals: Floats = (1.0 - self.ratio) * (self.probabilities @ same) + self.ratio / n
        return (1.0 - self.ratio) * served + self.ratio * math.exp(log_uniform), marginals
