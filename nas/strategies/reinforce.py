"""REINFORCE: a softmax policy over the operations of each block, moved by rewards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError
from nas.strategies.rewards import quality_reward
from nas.strategies.slopes import softmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.space import Architecture, FloatArray, SearchSpace
    from nas.trial import Trial


@dataclass(frozen=True)
class ReinforceSettings:
    """How fast the policy moves."""

    rate: float = 0.2
    """Step on the logits for an advantage of one standard deviation."""
    baseline_decay: float = 0.9
    """Memory of the running mean and variance of rewards."""
    warm_up: int = 10
    """Trials that are drawn uniformly and only set the baseline."""

    def __post_init__(self) -> None:
        if not self.rate > 0.0:
            raise SearchError("rate", self.rate, "must be positive")
        if not 0.0 <= self.baseline_decay < 1.0:
            raise SearchError("baseline_decay", self.baseline_decay, "must be in [0, 1)")
        if self.warm_up < 0:
            raise SearchError("warm_up", self.warm_up, "must not be negative")


class Reinforce:
    """Ascends E[reward] over π(architecture) = Π_b softmax(θ_b)[choice].

    θ_b ← θ_b + rate · Â · (e_choice − π_b), where Â is the reward less its running mean in running standard
    deviations, cut at ±3. Blocks are independent, which is what search on a weight-sharing net uses too.

    Source: Williams 1992, Simple statistical gradient-following algorithms; as a search: Bender et al. 2020
    (TuNAS, arXiv 2008.06120), section 3, with its warm-up.
    """

    def __init__(
        self,
        space: SearchSpace,
        rng: np.random.Generator,
        reward: Callable[[Trial], float] = quality_reward,
        settings: ReinforceSettings | None = None,
    ) -> None:
        self._space = space
        self._rng = rng
        self._reward = reward
        self._settings = settings or ReinforceSettings()
        self._logits = [np.zeros(size) for size in space.sizes]
        self._num_told = 0
        self._mean = 0.0
        self._square = 0.0

    @property
    def probabilities(self) -> list[FloatArray]:
        """The policy: one distribution a block."""
        return [softmax(logits) for logits in self._logits]

    def ask(self) -> Architecture:
        """Draws from the policy."""
        return tuple(int(self._rng.choice(len(p), p=p)) for p in self.probabilities)

    def best(self) -> Architecture:
        """The mode of the policy: where the search has landed."""
        return tuple(int(logits.argmax()) for logits in self._logits)

    def tell(self, trial: Trial) -> None:
        """Moves the policy towards what paid more than usual."""
        self._space.check(trial.architecture)
        advantage = self._advantage(self._reward(trial))
        if self._num_told <= self._settings.warm_up:
            return
        for logits, p, choice in zip(self._logits, self.probabilities, trial.architecture, strict=True):
            logits -= self._settings.rate * advantage * p
            logits[choice] += self._settings.rate * advantage

    def _advantage(self, reward: float) -> float:
        """Compares a reward with the running mean before it, then moves mean and variance."""
        self._num_told += 1
        if self._num_told == 1:
            self._mean = reward
            return 0.0
        # In the first trials the plain average: a running one would still remember its start.
        share = max(1.0 - self._settings.baseline_decay, 1.0 / self._num_told)
        difference = reward - self._mean
        self._mean += share * difference
        self._square += share * (difference**2 - self._square)
        deviation = np.sqrt(self._square)
        return float(np.clip(difference / deviation, -3.0, 3.0)) if deviation > 0.0 else 0.0
