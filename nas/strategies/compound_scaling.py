"""Compound scaling of one hand-made architecture (EfficientNet): the baseline that a search has to beat."""

from __future__ import annotations

from itertools import product
from math import isnan
from typing import TYPE_CHECKING

from nas.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nas.space import Architecture, SearchSpace
    from nas.trial import Trial


class CompoundScaling:
    """Finds in which proportion to enlarge a base, then enlarges it by one number φ.

    First the base and every direction d ∈ {0, 1}^k but 0 over groups of scaled blocks are tried at φ = 1; the
    operations of a scaled block stand in rising size. The direction with the best gain in quality for its
    latency is kept, base + φ d is tried for φ = 2, 3, … and −1, −2, …, each block held within its ends. The
    paper fixes the cost of φ = 1 (α β² γ² ≈ 2); where sizes are few steps, gain for cost says the same.

    What comes after the last φ is the best trial again: the baseline has no more to say.

    Source: Tan and Le 2019, EfficientNet: rethinking model scaling (arXiv 1905.11946), section 3.3.
    """

    def __init__(self, space: SearchSpace, base: Architecture, groups: Sequence[Sequence[str]]) -> None:
        space.check(base)
        names = [block.name for block in space.blocks]
        for name in (name for group in groups for name in group):
            if name not in names:
                raise SearchError("groups", name, f"is none of the blocks {names}")
        if not groups:
            raise SearchError("groups", groups, "leave nothing to scale")
        self._space = space
        self._base = base
        self._groups = [[names.index(name) for name in group] for group in groups]
        self._directions = [d for d in product((0, 1), repeat=len(groups)) if any(d)]
        self._queue = [base, *(self._scaled(d, 1) for d in self._directions)]
        self._told: dict[Architecture, Trial] = {}
        self._is_scaled = False

    def ask(self) -> Architecture:
        """Proposes the base, then its directions, then the multiples of the best one."""
        if not self._queue and not self._is_scaled and self._base in self._told:
            self._queue, self._is_scaled = self._multiples(), True
        if self._queue:
            return self._queue.pop(0)
        best = max(self._told.values(), key=lambda trial: trial.quality, default=None)
        return self._base if best is None else best.architecture

    def tell(self, trial: Trial) -> None:
        """Keeps the trial."""
        self._space.check(trial.architecture)
        self._told[trial.architecture] = trial

    @property
    def direction(self) -> tuple[int, ...]:
        """The direction whose trial gained most quality, for its latency where both are known.

        Raises:
            SearchError: the base was not told yet.
        """
        if self._base not in self._told:
            raise SearchError("base", self._base, "was not told yet")
        return max(self._directions, key=self._gain)

    def _gain(self, direction: tuple[int, ...]) -> float:
        base, trial = self._told[self._base], self._told.get(self._scaled(direction, 1))
        if trial is None or trial.architecture == self._base:
            return float("-inf")
        gain = trial.quality - base.quality
        if isnan(trial.latency) or isnan(base.latency):
            return gain
        # A loss is no better for being spread over much latency.
        ratio = max(trial.latency / base.latency, 1.0)
        return gain / ratio if gain > 0.0 else gain * ratio

    def _multiples(self) -> list[Architecture]:
        direction = self.direction
        longest = max(self._space.sizes)
        ways = [self._scaled(direction, phi) for phi in (*range(2, longest), *range(-1, -longest, -1))]
        return [way for way in dict.fromkeys(ways) if way not in self._told]

    def _scaled(self, direction: tuple[int, ...], phi: int) -> Architecture:
        scaled = list(self._base)
        for blocks, step in zip(self._groups, direction, strict=True):
            for block in blocks:
                scaled[block] = min(max(scaled[block] + phi * step, 0), self._space.sizes[block] - 1)
        return tuple(scaled)
