"""Optuna's samplers behind the same Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna

from nas.strategies.rewards import quality_reward

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.samplers import BaseSampler

    from nas.space import Architecture, SearchSpace
    from nas.trial import Trial


class OptunaSampler:
    """Asks a study of Optuna, where every choice block is a categorical parameter.

    A trial that was not asked for here is added to the study as it is. Give the sampler a seed: with the same
    one and the same answers it proposes the same.

    Source: Akiba et al. 2019, Optuna (arXiv 1907.10902).
    """

    def __init__(
        self, space: SearchSpace, sampler: BaseSampler, reward: Callable[[Trial], float] = quality_reward
    ) -> None:
        self._space = space
        self._reward = reward
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._parameters: dict[str, optuna.distributions.BaseDistribution] = {
            block.name: optuna.distributions.CategoricalDistribution(tuple(range(len(block.operations))))
            for block in space.blocks
        }
        self._asked: dict[Architecture, list[optuna.trial.Trial]] = {}

    def ask(self) -> Architecture:
        """Takes the sampler's next suggestion."""
        trial = self._study.ask(self._parameters)
        architecture = tuple(int(trial.params[block.name]) for block in self._space.blocks)
        self._asked.setdefault(architecture, []).append(trial)
        return architecture

    def tell(self, trial: Trial) -> None:
        """Tells the study the reward."""
        self._space.check(trial.architecture)
        waiting = self._asked.get(trial.architecture)
        if waiting:
            self._study.tell(waiting.pop(0), self._reward(trial))
            return
        chosen = {block.name: c for block, c in zip(self._space.blocks, trial.architecture, strict=True)}
        self._study.add_trial(
            optuna.trial.create_trial(
                params=chosen, distributions=self._parameters, value=self._reward(trial)
            )
        )
