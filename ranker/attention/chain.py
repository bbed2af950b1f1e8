"""The family of models whose user reads from the top: cascade, simplified DBN, DBN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.attention import chain_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.chain_kernels import Parameters
    from ranker.attention.click_log import Sessions

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chain:
    """At position j a user clicks with α; then is satisfied with s and leaves, else goes on with λ."""

    name: str
    attractiveness: Floats  # α (num_items,)
    satisfaction: Floats  # s (num_items,)
    perseverance: float  # λ
    num_steps: int = 1
    converged: bool = True

    @property
    def parameters(self) -> Parameters:
        """Returns (α, s, λ)."""
        return self.attractiveness, self.satisfaction, self.perseverance

    def examination(self, items: Ints) -> Floats:
        """Returns (s, k): e₀ = 1, e_{j+1} = e_j·λ·(1 − α_j·s_j)."""
        result = np.zeros(items.shape)
        chain_kernels.examination(items, self.parameters, result)
        return result

    def click_probabilities(self, items: Ints) -> Floats:
        """Returns (s, k): e_j·α_j."""
        return self.examination(items) * self.attractiveness[items]

    def conditional_click_probabilities(self, sessions: Sessions) -> Floats:
        """Returns (s, k): P(looked at | clicks above)·α_j."""
        result = np.zeros(sessions.items.shape)
        chain_kernels.conditional_clicks(sessions.items, sessions.clicks, self.parameters, result)
        return result


def share(yes: Floats, asked: Floats, prior_impressions: float) -> Floats:
    """Returns yes / asked by item, unseen questions answered at the mean rate, also the default."""
    mean = float(yes.sum() / asked.sum()) if asked.sum() > 0 else 0.5
    total = asked + prior_impressions
    result = np.full(len(yes), mean)
    np.divide(yes + prior_impressions * mean, total, out=result, where=total > 0)
    return result
