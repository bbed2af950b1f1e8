"""Every strategy that can search a table, as `benchmarks.nas_tables` compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import optuna
from optuna.samplers import TPESampler

from nas.graph_predictor import GraphRegressor
from nas.strategies.bananas import Bananas
from nas.strategies.coarse_to_fine import CoarseToFine
from nas.strategies.compound_scaling import CompoundScaling
from nas.strategies.darts import Darts, DartsSettings
from nas.strategies.dsnas import Dsnas
from nas.strategies.few_shot import FewShotModel
from nas.strategies.local_search import LocalSearch
from nas.strategies.neural_predictor import NeuralPredictor
from nas.strategies.one_shot import OneShot, OneShotSettings
from nas.strategies.optuna_sampler import OptunaSampler
from nas.strategies.pnas import Pnas
from nas.strategies.proxyless import Proxyless
from nas.strategies.random_search import RandomSearch
from nas.strategies.regularized_evolution import RegularizedEvolution
from nas.strategies.reinforce import Reinforce
from nas.strategies.slopes import DescentSettings
from nas.strategies.snas import Snas, SnasSettings
from nas.strategies.surrogate import SurrogateRelaxation

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from nas.cell import Cell
    from nas.space import Architecture
    from nas.trial import Strategy, Trial

    Evaluate: TypeAlias = Callable[[Architecture], Trial]
    Make: TypeAlias = Callable[[np.random.Generator, Evaluate], Strategy]

CHEAP_QUERIES, FITTED_QUERIES = 300, 100
RISING = ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
"""The table's operations in rising size, as compound scaling and coarse-to-fine want them."""
SPLIT = 0
"""The block whose operations few-shot search tells apart."""


def strategies(cell: Cell) -> dict[str, tuple[int, Make]]:
    """Names each strategy with its number of queries."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # or it tells of every trial
    return {**_by_trials(cell), **_by_surrogate(cell)}


def _by_trials(cell: Cell) -> dict[str, tuple[int, Make]]:
    space = cell.space
    graph = GraphRegressor(cell.adjacency(), len(cell.operations))
    base = (RISING.index("skip_connect"),) * len(cell.edges)
    groups = [[f"{a}->{b}" for a, b in cell.edges if b == node] for node in (1, 2, 3)]
    return {
        "random": (CHEAP_QUERIES, lambda rng, _: RandomSearch(space, rng)),
        "regularized evolution": (CHEAP_QUERIES, lambda rng, _: RegularizedEvolution(space, rng)),
        "reinforce": (CHEAP_QUERIES, lambda rng, _: Reinforce(space, rng)),
        "local search": (CHEAP_QUERIES, lambda rng, _: LocalSearch(space, rng)),
        "coarse to fine": (CHEAP_QUERIES, lambda rng, _: CoarseToFine(space, rng)),
        "compound scaling": (FITTED_QUERIES, lambda *_: CompoundScaling(space, base, groups)),
        "bananas": (FITTED_QUERIES, lambda rng, _: Bananas(space, cell.path_encoding, rng)),
        "neural predictor": (
            FITTED_QUERIES,
            lambda rng, _: NeuralPredictor(space, space.one_hot, graph, rng),
        ),
        "pnas": (FITTED_QUERIES, lambda rng, _: Pnas(space, cell.path_encoding, rng)),
        "optuna's TPE": (
            FITTED_QUERIES,
            lambda rng, _: OptunaSampler(space, TPESampler(seed=int(rng.integers(2**31)))),
        ),
    }


def _by_surrogate(cell: Cell) -> dict[str, tuple[int, Make]]:
    """Those that want a weight-sharing net, with a surrogate of the table in its place."""
    space, descent = cell.space, DescentSettings(rate=0.1, steps=9)

    def surrogate(rng: np.random.Generator, evaluate: Evaluate) -> SurrogateRelaxation:
        return SurrogateRelaxation(space, cell.path_encoding, evaluate, rng)

    def few_shot(rng: np.random.Generator, evaluate: Evaluate) -> FewShotModel:
        parts = tuple((operation,) for operation in range(space.sizes[SPLIT]))
        return FewShotModel(surrogate(rng, evaluate), SPLIT, parts, split_after=30)

    makers: dict[str, Make] = {
        "darts": lambda rng, evaluate: Darts(space, surrogate(rng, evaluate), DartsSettings(0.1, 9)),
        "snas": lambda rng, evaluate: Snas(
            space, surrogate(rng, evaluate), rng, SnasSettings(0.1, 9, cooling=0.97)
        ),
        "dsnas": lambda rng, evaluate: Dsnas(space, surrogate(rng, evaluate), rng, descent),
        "proxylessnas": lambda rng, evaluate: Proxyless(space, surrogate(rng, evaluate), rng, descent),
        "one-shot": lambda rng, evaluate: OneShot(
            space, surrogate(rng, evaluate), rng, OneShotSettings(steps=63, num_ranked=2000)
        ),
        "few-shot": lambda rng, evaluate: OneShot(
            space, few_shot(rng, evaluate), rng, OneShotSettings(steps=75, num_ranked=2000)
        ),
    }
    return {name: (FITTED_QUERIES, make) for name, make in makers.items()}
