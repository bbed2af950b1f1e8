"""Searches the CTR space: the supernet says how good a model is, the calibrated predictor how fast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from nas.calibration.calibrate import time_models
from nas.click_data import ClickRows
from nas.ctr.network import CtrNetwork, Subnet
from nas.errors import SearchError
from nas.pareto import front
from nas.strategies.nsga2 import Nsga2
from nas.supernet.plans import FairPaths
from nas.training import Training, TrainingSettings, log_loss, predict_logits, train_alone
from nas.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.calibration.calibrate import CalibrationSettings
    from nas.calibration.records import Calibration
    from nas.calibration.timing import Timing
    from nas.click_data import ClickData
    from nas.ctr.genotype import CtrGenotype
    from nas.ctr.space import CtrSpace
    from nas.space import Architecture

    Report = Callable[[int, int, str], None]

HOPELESS: Final = 100.0
"""A log loss that no model has: what is too slow is worse than whatever is fast enough."""
AGREEMENT: Final = 0.1
"""Predicted and measured latency of the front may differ by this ratio."""
LEVEL: Final = 0.9
"""Of the conformal bound on the latency."""
MAX_ROUNDS: Final = 3
"""Of search and measurement, where the two disagree."""
JUDGED_ROWS: Final = 8192
"""Validation rows that judge a path of the supernet."""


@dataclass(frozen=True)
class Objective:
    """What a service asks of a model."""

    slo_seconds: float
    """The quantile of a batch's latency must not be above it."""
    quantile: str = "p99"

    def __post_init__(self) -> None:
        if not 0.0 < self.slo_seconds < np.inf:
            raise SearchError("objective.slo_seconds", self.slo_seconds, "must be positive and finite")
        if self.quantile not in ("p50", "p99"):
            raise SearchError("objective.quantile", self.quantile, "must be 'p50' or 'p99'")


@dataclass(frozen=True)
class Budget:
    """How much is spent."""

    num_trials: int = 600
    """Paths of the supernet that each round of the search asks for."""
    num_candidates: int = 6
    """Models of the front that are trained alone."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """Of the supernet and of each candidate."""

    def __post_init__(self) -> None:
        for name in ("num_trials", "num_candidates"):
            if getattr(self, name) < 1:
                raise SearchError(f"budget.{name}", getattr(self, name), "must be at least 1")


@dataclass(frozen=True)
class Point:
    """A model of the search: latencies in seconds."""

    genotype: CtrGenotype
    predicted: float
    upper: float
    """The conformal bound; the search keeps it within the objective."""
    supernet_loss: float
    """Of the validation part, with shared weights; nan if the bound is above the objective."""


@dataclass(frozen=True)
class Candidate:
    """A model of the front, measured and trained alone."""

    point: Point
    timing: Timing
    subnet: Subnet
    logits: torch.Tensor
    """(n,) of the validation part."""
    loss: float
    """Their log loss."""


@dataclass(frozen=True)
class Found:
    """What a search found."""

    points: tuple[Point, ...]
    """All models that the last round looked at."""
    candidates: tuple[Candidate, ...]
    """Those that were measured within the objective, the best first."""
    num_too_slow: int
    """Models of the front that were measured above the objective."""
    agreed: bool
    """Whether each measurement was within AGREEMENT of its prediction in the end."""
    calibration: Calibration
    """With the candidates' measurements."""


class CtrSearch:
    """One search on one data set; `calibration` must be of models with the same inputs."""

    def __init__(
        self, data: ClickData, space: CtrSpace, calibration: Calibration, objective: Objective, budget: Budget
    ) -> None:
        self._data, self._space, self._objective, self._budget = data, space, objective, budget
        self._calibration = calibration
        self._fields = calibration.inputs.fields
        self._seed = budget.training.seed
        v = data.validation
        self._judging = ClickRows(v.ids[:JUDGED_ROWS], v.clicks[:JUDGED_ROWS], v.numeric[:JUDGED_ROWS])
        self._losses: dict[CtrGenotype, float] = {}

    def run(self, timing: CalibrationSettings, report: Report = lambda *_: None) -> Found:
        """Trains the supernet, searches and measures until both agree, then trains the candidates.

        Raises:
            SearchError: no model of the front was measured within the objective.
        """
        network = self._supernet(report)
        for _ in range(MAX_ROUNDS):
            points = self._evolve(network, report)
            chosen = self._spread(points)
            records = time_models(
                [point.genotype for point in chosen], self._calibration.inputs, self._calibration.key, timing
            )
            self._calibration = self._calibration.extended(records)
            timings = [record.timing for record in records]
            measured = np.array([self._quantile(timing) for timing in timings])
            predicted = np.array([point.predicted for point in chosen])
            agreed = bool((np.abs(predicted / measured - 1.0) <= AGREEMENT).all())
            if agreed:
                break
        fast = np.flatnonzero(measured <= self._objective.slo_seconds)
        if not len(fast):
            raise SearchError(
                "objective.slo_seconds",
                self._objective.slo_seconds,
                f"no model of the front was measured within it; the fastest took {measured.min():.3g} s",
            )
        candidates = []
        for done, index in enumerate(fast):
            report(done, len(fast), "training candidates alone")
            candidates.append(self._alone(chosen[index], timings[index]))
        ordered = tuple(sorted(candidates, key=lambda candidate: candidate.loss))
        return Found(tuple(points), ordered, len(chosen) - len(fast), agreed, self._calibration)

    def _supernet(self, report: Report) -> CtrNetwork:
        generator = torch.Generator().manual_seed(self._seed)
        network = CtrNetwork(self._fields, self._space.limits, generator)
        plan = FairPaths(self._space, seed=self._seed)
        training = Training(network, self._data.train, plan, self._budget.training)
        training.run(report=lambda done, total: report(done, total, "training the supernet"))
        return network

    def _evolve(self, network: CtrNetwork, report: Report) -> list[Point]:
        """Evolves the front of quality and latency; what is too slow costs no look at the supernet."""
        rng = np.random.default_rng(self._seed)
        predictor = self._calibration.fit(self._objective.quantile, rng)
        strategy = Nsga2(self._space.search_space, rng)
        points: dict[CtrGenotype, Point] = {}

        def judge(genotype: CtrGenotype) -> Point:
            counts = self._calibration.counts([genotype])
            upper = float(predictor.upper(counts, LEVEL)[0])
            slow = upper > self._objective.slo_seconds
            loss = float("nan") if slow else self._loss(network, genotype)
            return Point(genotype, float(predictor.predict(counts)[0]), upper, loss)

        for done in range(self._budget.num_trials):
            report(done, self._budget.num_trials, "searching")
            architecture = strategy.ask()
            genotype = self._space.decode(architecture)
            if genotype not in points:
                points[genotype] = judge(genotype)
            strategy.tell(self._trial(architecture, points[genotype]))
        return list(points.values())

    def _trial(self, architecture: Architecture, point: Point) -> Trial:
        """Tells the strategy of a point: any model within the objective beats any above it.

        Source: Deb 2000, An efficient constraint handling method for genetic algorithms, section 3.
        """
        if np.isnan(point.supernet_loss):
            return Trial(architecture, -HOPELESS * point.upper / self._objective.slo_seconds, point.upper)
        return Trial(architecture, -point.supernet_loss, point.upper)

    def _loss(self, network: CtrNetwork, genotype: CtrGenotype) -> float:
        if genotype not in self._losses:
            logits = predict_logits(network, genotype, self._judging)
            self._losses[genotype] = log_loss(logits, self._judging)
        return self._losses[genotype]

    def _spread(self, points: list[Point]) -> list[Point]:
        """Chooses candidates of the front, the best among them, at even places.

        Raises:
            SearchError: no model is within the objective.
        """
        inside = [point for point in points if not np.isnan(point.supernet_loss)]
        if not inside:
            raise SearchError(
                "objective.slo_seconds",
                self._objective.slo_seconds,
                f"the fastest model is predicted to take up to {min(p.upper for p in points):.3g} s",
            )
        quality = np.array([-point.supernet_loss for point in inside])
        order = front(quality, np.array([point.upper for point in inside]))[::-1]
        num = min(self._budget.num_candidates, len(order))
        places = np.linspace(0, len(order) - 1, num).round().astype(int)
        return [inside[order[place]] for place in places]

    def _alone(self, point: Point, timing: Timing) -> Candidate:
        generator = torch.Generator().manual_seed(self._seed)
        subnet = Subnet(self._fields, point.genotype, generator)
        train_alone(subnet, self._data.train, self._budget.training)
        logits = predict_logits(subnet.network, point.genotype, self._data.validation)
        return Candidate(point, timing, subnet, logits, log_loss(logits, self._data.validation))

    def _quantile(self, timing: Timing) -> float:
        return float(getattr(timing, self._objective.quantile))
