"""Which paths a step trains: uniform, fair to every operation, or the sandwich of sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nas.errors import SearchError
from nas.training import StepPaths

if TYPE_CHECKING:
    from nas.ctr.space import CtrSpace
    from nas.space import Architecture

Choices: TypeAlias = tuple[tuple[int, ...], ...]
"""For each block the operations that may be chosen."""


@dataclass(frozen=True)
class UniformPath:
    """One architecture a step, drawn uniformly.

    Source: Guo et al. 2020, Single path one-shot architecture search with uniform sampling
    (arXiv 1904.00420).
    """

    space: CtrSpace
    seed: int = 0

    def __call__(self, step: int) -> StepPaths:
        """Draws the step's architecture."""
        rng = np.random.default_rng((self.seed, step))
        return StepPaths((self.space.decode(self.space.search_space.sample(rng)),))


@dataclass(frozen=True)
class FairPaths:
    """Several architectures a step; every block deals its operations like cards, so that none falls behind.

    At any time the operations of a block have been trained equally often, to within one. That matters more
    than which sizes are drawn: operators that are trained less look worse than they are.

    Source: Chu et al. 2021, FairNAS (arXiv 1907.01845): strict fairness, section 3.2. There all blocks have
    equally many operations and a step deals each deck once.
    """

    space: CtrSpace
    num_paths: int = 5
    seed: int = 0
    choices: Choices | None = None
    """The operations of each block to deal; all of them if None."""

    def __post_init__(self) -> None:
        if self.num_paths < 1:
            raise SearchError("num_paths", self.num_paths, "must be at least 1")

    def __call__(self, step: int) -> StepPaths:
        """Deals the step's architectures."""
        first = step * self.num_paths
        dealt = (self.deal(place) for place in range(first, first + self.num_paths))
        return StepPaths(tuple(self.space.decode(architecture) for architecture in dealt))

    def deal(self, place: int) -> Architecture:
        """Gives the architecture at a place of the endless deal."""
        choices = self.choices or tuple(tuple(range(size)) for size in self.space.search_space.sizes)
        return tuple(self._card(block, operations, place) for block, operations in enumerate(choices))

    def _card(self, block: int, operations: tuple[int, ...], place: int) -> int:
        deck, card = divmod(place, len(operations))
        order = np.random.default_rng((self.seed, block, deck)).permutation(len(operations))
        return operations[int(order[card])]


@dataclass(frozen=True)
class Sandwich:
    """The operators of one fair deal in all their sizes: the largest, the smallest and some between.

    The largest teaches the others. Operators are not mixed within a step, since a small network of one
    operator has nothing to learn from a large one of another.

    Source: Yu et al. 2020, BigNAS (arXiv 2003.11142), section 3.1: sandwich rule, in-place distillation.
    """

    space: CtrSpace
    num_between: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_between < 0:
            raise SearchError("num_between", self.num_between, "must not be negative")

    def __call__(self, step: int) -> StepPaths:
        """Gives the largest first."""
        operators = FairPaths(self.space, 1, self.seed).deal(step)
        rng = np.random.default_rng((self.seed, step))
        chosen = [self._sized(operators, rng, end) for end in (1.0, 0.0, *[None] * self.num_between)]
        return StepPaths(tuple(self.space.decode(architecture) for architecture in chosen), distil=True)

    def _sized(self, operators: Architecture, rng: np.random.Generator, end: float | None) -> Architecture:
        """Keeps which operators are there, and sets their sizes to one end or at random."""
        sized = list(operators)
        for block, sizes in enumerate(self.space.size_ranges(operators)):
            if len(sizes) > 1:
                place = rng.integers(len(sizes)) if end is None else round(end * (len(sizes) - 1))
                sized[block] = sizes[int(place)]
        return tuple(sized)
