"""One-Shot: one net that holds all architectures, trained with operations left out, ranks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nas.errors import SearchError

if TYPE_CHECKING:
    from nas.space import Architecture, FloatArray, SearchSpace
    from nas.strategies.slopes import Shares
    from nas.trial import Trial


class OneShotModel(Protocol):
    """A weight-sharing net whose operations are mixed by shares, as `nas.supernet.mixture` has it."""

    def learn(self, shares: Shares) -> None:
        """Does one step on the weights, with these shares."""
        ...

    def loss(self, architecture: Architecture) -> float:
        """Gives the loss of one architecture with the shared weights, on rows that they do not learn from."""
        ...


@dataclass(frozen=True)
class OneShotSettings:
    """How the net is trained and how many architectures it ranks."""

    steps: int = 400
    drop: float = 0.5
    """Chance at the end of the training that all operations of a block are left out; it rises from 0."""
    num_ranked: int = 200
    """Architectures drawn and ranked at once."""

    def __post_init__(self) -> None:
        for name in ("steps", "num_ranked"):
            if getattr(self, name) < 1:
                raise SearchError(name, getattr(self, name), "must be at least 1")
        if not 0.0 <= self.drop < 1.0:
            raise SearchError("drop", self.drop, "must be in [0, 1)")


class OneShot:
    """Trains the net with path dropout, draws architectures uniformly and proposes them best first.

    An operation of a block of m is left out with chance r^(1/m), so that all are with chance r, in which case
    one drawn uniformly stays; those that stay share alike. r rises linearly, so that the net can train before
    it has to do without. When all that were ranked are proposed, others are drawn. Trials teach nothing: the
    shared weights have said it.

    Source: Bender et al. 2018, Understanding and simplifying one-shot architecture search (ICML), section 3.
    """

    def __init__(
        self,
        space: SearchSpace,
        model: OneShotModel,
        rng: np.random.Generator,
        settings: OneShotSettings | None = None,
    ) -> None:
        self._space = space
        self._model = model
        self._rng = rng
        self._settings = settings or OneShotSettings()
        self._is_trained = False
        self._ranked: list[Architecture] = []

    def ask(self) -> Architecture:
        """Trains at the first call; proposes the best that was not proposed yet."""
        if not self._is_trained:
            for step in range(self._settings.steps):
                drop = self._settings.drop * step / self._settings.steps
                self._model.learn(tuple(self._kept(size, drop) for size in self._space.sizes))
            self._is_trained = True
        if not self._ranked:
            drawn = dict.fromkeys(self._space.sample(self._rng) for _ in range(self._settings.num_ranked))
            self._ranked = sorted(drawn, key=self._model.loss, reverse=True)
        return self._ranked.pop()

    def tell(self, trial: Trial) -> None:
        """Checks the trial."""
        self._space.check(trial.architecture)

    def _kept(self, size: int, drop: float) -> FloatArray:
        kept = (self._rng.random(size) >= drop ** (1.0 / size)).astype(np.float64)
        if not kept.any():
            kept[self._rng.integers(size)] = 1.0
        shares: FloatArray = kept / kept.sum()
        return shares
