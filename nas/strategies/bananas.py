"""BANANAS: Bayesian optimisation by an ensemble of nets and Thompson sampling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError
from nas.regression import NetEnsemble, Surrogate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nas.regression import Regressor
    from nas.space import Architecture, FloatArray, SearchSpace
    from nas.trial import Trial


@dataclass(frozen=True)
class BananasSettings:
    """How candidates are made and taken."""

    num_initial: int = 10
    """Random architectures before the first fit."""
    batch: int = 5
    """Proposals from one fit."""
    num_parents: int = 10
    """The best trials, whose mutations are candidates."""
    num_candidates: int = 100
    regressor: Regressor = field(default_factory=NetEnsemble)

    def __post_init__(self) -> None:
        for name in ("num_initial", "batch", "num_parents", "num_candidates"):
            if getattr(self, name) < 1:
                raise SearchError(name, getattr(self, name), "must be at least 1")


class Bananas:
    """Fits an ensemble to all trials and takes the mutations with the best draws.

    Every candidate gets a draw of its own from N(mean, deviation²) of the members (independent Thompson
    sampling); the best draws are proposed. What has been tried is not proposed again.

    Source: White et al. 2021, BANANAS (arXiv 1910.11858), algorithm 1, with `Cell.path_encoding` as code.
    """

    def __init__(
        self,
        space: SearchSpace,
        encode: Callable[[Sequence[Architecture]], FloatArray],
        rng: np.random.Generator,
        settings: BananasSettings | None = None,
    ) -> None:
        self._space = space
        self._rng = rng
        self._settings = settings or BananasSettings()
        self._surrogate = Surrogate(encode, self._settings.regressor)
        self._trials: list[Trial] = []
        self._seen: set[Architecture] = set()
        self._queue: list[Architecture] = []

    def ask(self) -> Architecture:
        """Draws at random at first; then proposes from the last fit, and fits anew when its batch is used."""
        if len(self._trials) < self._settings.num_initial:
            proposal = self._space.sample(self._rng)
        else:
            if not self._queue:
                self._queue = self._propose()
            proposal = self._queue.pop(0)
        self._seen.add(proposal)
        return proposal

    def tell(self, trial: Trial) -> None:
        """Keeps the trial for the next fit."""
        self._space.check(trial.architecture)
        self._trials.append(trial)
        self._seen.add(trial.architecture)

    def _propose(self) -> list[Architecture]:
        candidates = self._candidates()
        members = self._surrogate.predict(self._trials, candidates, self._rng)
        draws = self._rng.normal(members.mean(axis=0), members.std(axis=0))
        return [candidates[int(index)] for index in np.argsort(-draws)[: self._settings.batch]]

    def _candidates(self) -> list[Architecture]:
        """Mutates the best trials once or twice; random ones help out where all neighbours are known."""
        best = sorted(self._trials, key=lambda trial: -trial.quality)[: self._settings.num_parents]
        found: dict[Architecture, None] = {}
        for attempt in range(20 * self._settings.num_candidates):
            if len(found) == self._settings.num_candidates:
                break
            child = self._space.mutate(best[attempt % len(best)].architecture, self._rng)
            if attempt % 2:
                child = self._space.mutate(child, self._rng)
            if child not in self._seen:
                found[child] = None
        return list(found) or [self._space.sample(self._rng)]
