"""A surrogate of a table in the place of a weight-sharing net, for strategies that want slopes or losses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError
from nas.regression import NetEnsemble

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nas.regression import Regressor
    from nas.space import Architecture, FloatArray, SearchSpace
    from nas.strategies.slopes import Shares
    from nas.trial import Trial


@dataclass(frozen=True)
class SurrogateSettings:
    """How the surrogate is fitted and asked."""

    refit_every: int = 9
    """Trials between two fits."""
    num_draws: int = 16
    """Architectures over which an expected quality is averaged."""
    regressor: Regressor = field(default_factory=NetEnsemble)

    def __post_init__(self) -> None:
        for name in ("refit_every", "num_draws"):
            if getattr(self, name) < 1:
                raise SearchError(name, getattr(self, name), "must be at least 1")


class SurrogateRelaxation:
    """A table has no slope, but the expected quality of an architecture drawn by shares has one.

    To learn is to draw an architecture by the shares and evaluate it; nets are fitted to the trials. With
    f̂ what they predict, the loss is −E f̂(a) for a_b ~ shares_b independently, so that ∂ loss / ∂ share of
    operation o in block b is −E[f̂(a) | a_b = o], estimated from a few draws; where the shares are gates it
    is exact. A `Relaxation` and a `OneShotModel` that needs no weights, and so cannot look ahead with them.
    """

    def __init__(
        self,
        space: SearchSpace,
        encode: Callable[[Sequence[Architecture]], FloatArray],
        evaluate: Callable[[Architecture], Trial],
        rng: np.random.Generator,
        settings: SurrogateSettings | None = None,
    ) -> None:
        self._space = space
        self._encode = encode
        self._evaluate = evaluate
        self._rng = rng
        self._settings = settings or SurrogateSettings()
        self._trials: list[Trial] = []
        self._quality: Callable[[FloatArray], FloatArray] | None = None

    def copy(self) -> SurrogateRelaxation:
        """Gives another one that knows the same trials and goes on by itself."""
        other = SurrogateRelaxation(
            self._space, self._encode, self._evaluate, self._rng.spawn(1)[0], self._settings
        )
        other._trials, other._quality = list(self._trials), self._quality
        return other

    def learn(self, shares: Shares) -> None:
        """Evaluates one architecture; fits anew where enough have come since the last fit."""
        self._trials.append(self._evaluate(self._draw(shares)))
        if len(self._trials) % self._settings.refit_every == 0:
            codes = self._encode([trial.architecture for trial in self._trials])
            values = np.array([trial.quality for trial in self._trials])
            self._quality = self._settings.regressor(codes, values, self._rng)

    def slopes(self, shares: Shares) -> Shares:
        """Gives −E[f̂(a) | a_b = o]; 0 before the first fit."""
        if self._quality is None:
            return tuple(np.zeros(size) for size in self._space.sizes)
        is_drawn = any(((share > 0.0) & (share < 1.0)).any() for share in shares)
        drawn = [self._draw(shares) for _ in range(self._settings.num_draws if is_drawn else 1)]
        changed = [
            (*architecture[:block], operation, *architecture[block + 1 :])
            for architecture in drawn
            for block, size in enumerate(self._space.sizes)
            for operation in range(size)
        ]
        predicted = self._quality(self._encode(changed)).mean(axis=0).reshape(len(drawn), -1).mean(axis=0)
        return tuple(np.split(-predicted, np.cumsum(self._space.sizes)[:-1]))

    def loss(self, architecture: Architecture) -> float:
        """Gives −f̂.

        Raises:
            SearchError: nothing was fitted yet.
        """
        if self._quality is None:
            few, needed = len(self._trials), self._settings.refit_every
            raise SearchError("trials", few, f"are too few to fit to; the first fit takes {needed}")
        return -float(self._quality(self._encode([architecture])).mean())

    def _draw(self, shares: Shares) -> Architecture:
        return tuple(int(self._rng.choice(len(share), p=share)) for share in shares)
