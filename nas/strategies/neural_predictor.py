"""Neural Predictor: learn from a random sample once, then try what is predicted to be best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError
from nas.regression import Surrogate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nas.regression import Regressor
    from nas.space import Architecture, FloatArray, SearchSpace
    from nas.trial import Trial

NUM_CANDIDATES = 20_000
NUM_FAVOURITES = 5_000
"""More than anyone tries: beyond the first hundreds the order says little."""


class NeuralPredictor:
    """Draws `num_training` architectures, fits a regressor to them, and proposes its favourites in order.

    The favourites come from 20,000 random architectures, or from all where there are fewer.

    Source: Wen et al. 2020, Neural Predictor for Neural Architecture Search (arXiv 1912.00848), section 2.
    The paper's graph convolutions are `nas.graph_predictor.GraphRegressor`.
    """

    def __init__(
        self,
        space: SearchSpace,
        encode: Callable[[Sequence[Architecture]], FloatArray],
        regressor: Regressor,
        rng: np.random.Generator,
        num_training: int = 60,
    ) -> None:
        if num_training < 2:
            raise SearchError("num_training", num_training, "must be at least 2")
        self._space = space
        self._surrogate = Surrogate(encode, regressor)
        self._rng = rng
        self._num_training = num_training
        self._trials: list[Trial] = []
        self._seen: set[Architecture] = set()
        self._favourites: Iterator[Architecture] | None = None

    def ask(self) -> Architecture:
        """Draws a new training architecture, or takes the next favourite that was not tried."""
        if len(self._trials) < self._num_training:
            proposal = self._space.sample(self._rng)
        else:
            if self._favourites is None:
                self._favourites = self._ranked()
            untried = (favourite for favourite in self._favourites if favourite not in self._seen)
            proposal = next(untried, ()) or self._space.sample(self._rng)
        self._seen.add(proposal)
        return proposal

    def tell(self, trial: Trial) -> None:
        """Keeps the trial; those of the training sample are fitted."""
        self._space.check(trial.architecture)
        self._trials.append(trial)
        self._seen.add(trial.architecture)

    def _ranked(self) -> Iterator[Architecture]:
        if self._space.num_architectures <= NUM_CANDIDATES:
            candidates = list(np.ndindex(*self._space.sizes))
        else:
            candidates = list({self._space.sample(self._rng): None for _ in range(NUM_CANDIDATES)})
        predicted = self._surrogate.predict(self._trials, candidates, self._rng).mean(axis=0)
        return iter([candidates[int(index)] for index in np.argsort(-predicted)[:NUM_FAVOURITES]])
