"""Every strategy by trials runs on the space of CTR models, whose blocks have unlike sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from optuna.samplers import TPESampler

from nas.ctr.space import CtrSpace
from nas.regression import NetEnsemble
from nas.strategies.bananas import Bananas, BananasSettings
from nas.strategies.coarse_to_fine import CoarseToFine
from nas.strategies.compound_scaling import CompoundScaling
from nas.strategies.local_search import LocalSearch
from nas.strategies.neural_predictor import NeuralPredictor
from nas.strategies.nsga2 import Nsga2
from nas.strategies.optuna_sampler import OptunaSampler
from nas.strategies.pnas import Pnas, PnasSettings
from nas.strategies.random_search import RandomSearch
from nas.strategies.regularized_evolution import RegularizedEvolution
from nas.strategies.reinforce import Reinforce
from nas.strategies.rewards import AbsoluteReward, MnasNetReward
from nas.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.trial import Strategy

CTR = CtrSpace(2)
SPACE = CTR.search_space
NETS = NetEnsemble(num_members=2, widths=(8,), steps=10)
BASE = tuple(min(1, size - 1) for size in SPACE.sizes)
MAKERS: dict[str, Callable[[np.random.Generator], Strategy]] = {
    "random": lambda rng: RandomSearch(SPACE, rng),
    "regularized evolution": lambda rng: RegularizedEvolution(SPACE, rng, 10, 5),
    "nsga2": lambda rng: Nsga2(SPACE, rng, 10),
    "reinforce": lambda rng: Reinforce(SPACE, rng),
    "reinforce, MnasNet": lambda rng: Reinforce(SPACE, rng, MnasNetReward(target=5.0)),
    "reinforce, TuNAS": lambda rng: Reinforce(SPACE, rng, AbsoluteReward(target=5.0, price=-1.0)),
    "bananas": lambda rng: Bananas(SPACE, SPACE.one_hot, rng, BananasSettings(regressor=NETS)),
    "neural predictor": lambda rng: NeuralPredictor(SPACE, SPACE.one_hot, NETS, rng, 20),
    "pnas": lambda rng: Pnas(SPACE, SPACE.one_hot, rng, BASE, PnasSettings(6, 50, NETS)),
    "coarse to fine": lambda rng: CoarseToFine(SPACE, rng, 10),
    "compound scaling": lambda _: CompoundScaling(SPACE, BASE, [["depth"], ["width"], ["dim 0", "dim 1"]]),
    "local search": lambda rng: LocalSearch(SPACE, rng),
    "optuna": lambda rng: OptunaSampler(SPACE, TPESampler(seed=int(rng.integers(2**31)))),
}


@pytest.mark.parametrize("name", list(MAKERS))
def test_every_strategy_searches_ctr_models(name: str) -> None:
    strategy = MAKERS[name](np.random.default_rng(1))
    for _ in range(30):
        architecture = strategy.ask()
        CTR.decode(architecture)
        strategy.tell(Trial(architecture, 1.0 + sum(architecture), 1.0 + sum(architecture) / 4.0))
