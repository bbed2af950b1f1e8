"""Progressive search (PNAS): from simple to complex, a surrogate choosing what is worth expanding."""

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
class PnasSettings:
    """How wide the search is."""

    beam: int = 20
    """Architectures tried at each level, and expanded from it."""
    num_expansions: int = 2_000
    """Expansions that are predicted, drawn at random where there are more."""
    regressor: Regressor = field(default_factory=NetEnsemble)

    def __post_init__(self) -> None:
        for name in ("beam", "num_expansions"):
            if getattr(self, name) < 1:
                raise SearchError(name, getattr(self, name), "must be at least 1")


class Pnas:
    """Tries architectures that differ from a base in one block, then in two, and so on.

    Level l + 1 holds what is one block further from the base than the best `beam` trials of level l; a
    surrogate, fitted to all trials, picks the `beam` that are tried. The paper grows cells by one block; in a
    space of fixed blocks to grow is to leave the base in one more of them. After the last level the best
    architecture so far is the next base.

    Source: Liu et al. 2018, Progressive neural architecture search (arXiv 1712.00559), algorithm 1.
    """

    def __init__(
        self,
        space: SearchSpace,
        encode: Callable[[Sequence[Architecture]], FloatArray],
        rng: np.random.Generator,
        base: Architecture | None = None,
        settings: PnasSettings | None = None,
    ) -> None:
        self._space = space
        self._rng = rng
        self._settings = settings or PnasSettings()
        self._surrogate = Surrogate(encode, self._settings.regressor)
        self._base = base or (0,) * len(space.blocks)
        space.check(self._base)
        self._level = 0
        self._trials: list[Trial] = []
        self._seen: set[Architecture] = set()
        self._queue = [self._base]

    def ask(self) -> Architecture:
        """Takes the next of this level, or expands to the next level."""
        if not self._queue:
            self._queue = self._next_level()
        proposal = self._queue.pop(0)
        self._seen.add(proposal)
        return proposal

    def tell(self, trial: Trial) -> None:
        """Keeps the trial for the surrogate."""
        self._space.check(trial.architecture)
        self._trials.append(trial)
        self._seen.add(trial.architecture)

    def _next_level(self) -> list[Architecture]:
        self._level += 1
        if self._level > len(self._space.blocks) and self._trials:
            self._base, self._level = max(self._trials, key=lambda t: t.quality).architecture, 1
        candidates = self._expansions()
        if not candidates:
            return [self._space.sample(self._rng)]
        if len(self._trials) < 2:
            order = self._rng.permutation(len(candidates))
        else:
            order = np.argsort(
                -self._surrogate.predict(self._trials, candidates, self._rng).mean(axis=0), kind="stable"
            )
        return [candidates[int(index)] for index in order[: self._settings.beam]]

    def _expansions(self) -> list[Architecture]:
        """Lists what is new and one block further from the base than the best of the level before."""
        before = [t for t in self._trials if self._distance(t.architecture) == self._level - 1]
        best = sorted(before, key=lambda trial: -trial.quality)[: self._settings.beam]
        parents = dict.fromkeys([trial.architecture for trial in best] or [self._base])
        found = dict.fromkeys(
            (*parent[:index], choice, *parent[index + 1 :])
            for parent in parents
            for index, size in enumerate(self._space.sizes)
            if parent[index] == self._base[index]
            for choice in range(size)
            if choice != self._base[index]
        )
        new = [child for child in found if child not in self._seen]
        if len(new) <= self._settings.num_expansions:
            return new
        kept = self._rng.choice(len(new), self._settings.num_expansions, replace=False)
        return [new[int(index)] for index in np.sort(kept)]

    def _distance(self, architecture: Architecture) -> int:
        return sum(a != b for a, b in zip(architecture, self._base, strict=True))
