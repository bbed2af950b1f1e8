"""Few-shot search: several supernets, each for one operator of a block, from one that all began in."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.supernet.plans import FairPaths
from nas.training import Training

if TYPE_CHECKING:
    from nas.click_data import ClickRows
    from nas.ctr.genotype import CtrGenotype
    from nas.ctr.network import CtrNetwork
    from nas.ctr.space import CtrSpace
    from nas.training import TrainingSettings


@dataclass(frozen=True)
class FewShot:
    """Supernets that share no weights any more."""

    space: CtrSpace
    block: int
    operators: tuple[tuple[int, ...], ...]
    """The block's operations that each supernet runs."""
    networks: tuple[CtrNetwork, ...]

    def network_of(self, genotype: CtrGenotype) -> CtrNetwork:
        """Gives the supernet that was trained for the genotype's operator."""
        choice = self.space.encode(genotype)[self.block]
        part = next(index for index, operations in enumerate(self.operators) if choice in operations)
        return self.networks[part]


def train_few_shot(
    network: CtrNetwork, rows: ClickRows, space: CtrSpace, block: str, settings: TrainingSettings
) -> FewShot:
    """Copies a trained supernet for each operator of a block, and trains each copy on fair paths of its own.

    Operators disturb each other most through the weights that they share downstream: after the split they no
    longer do.

    Source: Zhao et al. 2021, Few-shot neural architecture search (arXiv 2006.06863), with its transfer of
    weights; splitting on the operator is our choice.
    """
    names = [block.name for block in space.search_space.blocks]
    operators = space.operators(block)
    index = names.index(block)
    networks = []
    for operations in operators:
        choices = tuple(
            operations if place == index else tuple(range(size))
            for place, size in enumerate(space.search_space.sizes)
        )
        part = deepcopy(network)
        Training(part, rows, FairPaths(space, seed=settings.seed, choices=choices), settings).run()
        networks.append(part)
    return FewShot(space, index, operators, tuple(networks))
