"""A search space: choice blocks, and architectures that choose one operation in each."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from nas.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Sequence

Architecture: TypeAlias = tuple[int, ...]
"""The index of the chosen operation in every choice block."""

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChoiceBlock:
    """A decision point and the operations to choose from."""

    name: str
    operations: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.name:
            raise SearchError("choice_block.name", self.name, "is empty")
        if len(self.operations) < 1 or len(set(self.operations)) != len(self.operations):
            raise SearchError(
                f"choice_block[{self.name}].operations", self.operations, "must be distinct and at least one"
            )


@dataclass(frozen=True)
class SearchSpace:
    """All architectures over some choice blocks."""

    blocks: tuple[ChoiceBlock, ...]

    def __post_init__(self) -> None:
        names = [block.name for block in self.blocks]
        if not names or len(set(names)) != len(names):
            raise SearchError("space.blocks", names, "must have distinct names, at least one")
        if all(len(block.operations) == 1 for block in self.blocks):
            raise SearchError("space.blocks", names, "leave nothing to choose")

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of operations of each block."""
        return tuple(len(block.operations) for block in self.blocks)

    @property
    def num_architectures(self) -> int:
        """How many architectures there are."""
        return prod(self.sizes)

    def check(self, architecture: Architecture) -> None:
        """Refuses what is not an architecture of this space.

        Raises:
            SearchError: names the block and its choice.
        """
        if len(architecture) != len(self.blocks):
            raise SearchError("architecture", architecture, f"must choose in {len(self.blocks)} blocks")
        for block, choice in zip(self.blocks, architecture, strict=True):
            if not 0 <= choice < len(block.operations):
                raise SearchError(
                    f"architecture[{block.name}]", choice, f"must be below {len(block.operations)}"
                )

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draws an architecture uniformly."""
        return tuple(int(choice) for choice in rng.integers(self.sizes))

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Changes the operation of one block, chosen uniformly among those that have another."""
        open_blocks = [index for index, size in enumerate(self.sizes) if size > 1]
        index = int(rng.choice(open_blocks))
        other = int(rng.integers(self.sizes[index] - 1))
        changed = other + (other >= architecture[index])
        return (*architecture[:index], changed, *architecture[index + 1 :])

    def cross(self, first: Architecture, second: Architecture, rng: np.random.Generator) -> Architecture:
        """Takes every block from one of two parents, by a fair coin (uniform crossover)."""
        coins = rng.random(len(first)) < 0.5
        return tuple(a if coin else b for a, b, coin in zip(first, second, coins, strict=True))

    def one_hot(self, architectures: Sequence[Architecture]) -> FloatArray:
        """Writes architectures as (n, Σ sizes): one 1 in every block."""
        ends = np.cumsum((0, *self.sizes[:-1]))
        encoded = np.zeros((len(architectures), sum(self.sizes)))
        if len(architectures):
            encoded[np.arange(len(architectures))[:, None], np.asarray(architectures) + ends] = 1.0
        return encoded

    def describe(self, architecture: Architecture) -> dict[str, str]:
        """Names the operation of every block."""
        self.check(architecture)
        return {
            block.name: block.operations[choice]
            for block, choice in zip(self.blocks, architecture, strict=True)
        }
