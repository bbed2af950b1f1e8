"""The search whose models are compared with hand-made ones: supernet first, then trainings of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.ctr_rivals import SETTINGS
from benchmarks.nas_market import Market, Tuned, train, train_seeds
from nas.calibration.calibrate import CalibrationSettings, calibrate, spread_genotypes
from nas.click_data import ClickRows
from nas.ctr.network import CtrNetwork
from nas.ctr.search import JUDGED_ROWS
from nas.ctr.space import CtrSpace
from nas.export.ctr_graph import CtrInputs
from nas.pareto import front, ranks
from nas.space import ChoiceBlock, SearchSpace
from nas.strategies.nsga2 import Nsga2
from nas.supernet.plans import FairPaths
from nas.training import Training, TrainingSettings, log_loss, predict_logits
from nas.trial import Trial

if TYPE_CHECKING:
    from nas.calibration.records import Calibration
    from nas.ctr.genotype import CtrGenotype
    from nas.space import Architecture

    Trained = tuple[CtrGenotype, TrainingSettings]

POPULATION = 16
SUPERNET = TrainingSettings(epochs=4, decay=0.1)


@dataclass(frozen=True)
class SearchBudget:
    """How much a search may spend."""

    batch: int
    num_timed: int = 60
    """Models that calibrate the latency predictor."""
    num_paths: int = 600
    """Paths of the supernet that are judged."""
    num_trained: int = 80
    """Trainings with one seed."""
    num_finalists: int = 12
    """Of these, how many are trained with all seeds."""


class Search:
    """Quality against predicted latency, over architectures and the settings of their training together."""

    def __init__(self, market: Market, budget: SearchBudget) -> None:
        self._market = market
        self._budget = budget
        self._space = CtrSpace(market.fields.num_groups)
        self._inputs = CtrInputs(market.fields, market.data.edges)
        settings = tuple(
            ChoiceBlock(name, tuple(str(value) for value in values)) for name, values in SETTINGS.items()
        )
        self._joint = SearchSpace((*self._space.search_space.blocks, *settings))
        rng = np.random.default_rng(0)
        self._calibration = self._calibrated(rng)
        self._predictor = self._calibration.fit("p50", rng)

    def finalists(self) -> list[Tuned]:
        """Returns models of the front, trained with every seed and chosen by the validation part alone."""
        trials = self._evolve_trained(self._evolve_paths())
        chosen = _spread(list(trials.values()), self._budget.num_finalists)
        return [train_seeds(self._market, *self._decode(trial.architecture)) for trial in chosen]

    def _evolve_paths(self) -> list[Architecture]:
        """Returns architectures of the supernet's front."""
        network = self._supernet()
        rows = self._market.data.validation
        judged = ClickRows(rows.ids[:JUDGED_ROWS], rows.clicks[:JUDGED_ROWS], rows.numeric[:JUDGED_ROWS])
        strategy = Nsga2(self._space.search_space, np.random.default_rng(0))
        trials: dict[CtrGenotype, Trial] = {}
        for _ in range(self._budget.num_paths):
            architecture = strategy.ask()
            genotype = self._space.decode(architecture)
            if genotype not in trials:
                loss = log_loss(predict_logits(network, genotype, judged), judged)
                trials[genotype] = Trial(architecture, -loss, self._latency(genotype))
            strategy.tell(replace(trials[genotype], architecture=architecture))
        return [trial.architecture for trial in _spread(list(trials.values()), POPULATION)]

    def _evolve_trained(self, begun: list[Architecture]) -> dict[Trained, Trial]:
        """Evolves on from these with random settings; a trial is now a training."""
        rng = np.random.default_rng(1)
        strategy = Nsga2(self._joint, rng, POPULATION)
        settings = len(self._joint.blocks) - len(SETTINGS)
        trials: dict[Trained, Trial] = {}
        waiting = [(*architecture, *self._joint.sample(rng)[settings:]) for architecture in begun]
        while len(trials) < self._budget.num_trained:
            architecture = waiting.pop() if waiting else strategy.ask()
            training = self._decode(architecture)
            if training not in trials:
                loss = train(self._market, *training).validation
                trials[training] = Trial(architecture, -loss, self._latency(training[0]))
            strategy.tell(replace(trials[training], architecture=architecture))
        return trials

    def _decode(self, architecture: Architecture) -> Trained:
        num = len(self._joint.blocks) - len(SETTINGS)
        values = {
            name: options[choice]
            for (name, options), choice in zip(SETTINGS.items(), architecture[num:], strict=True)
        }
        return self._space.decode(architecture[:num]), TrainingSettings(**values)

    def _supernet(self) -> CtrNetwork:
        network = CtrNetwork(self._market.fields, self._space.limits, torch.Generator().manual_seed(0))
        training = Training(network, self._market.data.train, FairPaths(self._space), SUPERNET)
        kept = self._market.folder / "supernet.pt"
        if kept.is_file():
            training.load(kept)
        training.run()
        kept.parent.mkdir(parents=True, exist_ok=True)
        training.save(kept)
        return network

    def _latency(self, genotype: CtrGenotype) -> float:
        return float(self._predictor.predict(self._calibration.counts([genotype]))[0])

    def _calibrated(self, rng: np.random.Generator) -> Calibration:
        num, batch = self._budget.num_timed, self._budget.batch
        genotypes = spread_genotypes(self._space, self._inputs, num, rng)
        settings = CalibrationSettings("onnxruntime", 1, (batch,), num)
        return calibrate(genotypes, self._inputs, settings, self._market.folder)[0]


def _spread(trials: list[Trial], num: int) -> list[Trial]:
    """Returns so many of the front at even places; where it is smaller, the best of those behind it too."""
    quality = np.array([trial.quality for trial in trials])
    latency = np.array([trial.latency for trial in trials])
    first = front(quality, latency)
    if len(first) >= num:
        return [trials[first[place]] for place in np.linspace(0, len(first) - 1, num).round().astype(int)]
    order = np.lexsort((-quality, ranks(quality, latency)))
    return [trials[int(place)] for place in order[:num]]
