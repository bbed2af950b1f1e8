"""Chooses penalty and number of factors: the simplest that validation does not show to be worse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ranker.errors import InvalidInputError
from ranker.scoring.fm import Fit, Penalty, constant_machine, fit_machine, log_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from ranker.scoring.fm import FactorizationMachine

    Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Grid:
    """What is tried, from the simplest to the most flexible: strong penalties first, few factors first."""

    weight_penalties: tuple[float, ...] = (1e4, 1e3, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
    num_factors: tuple[int, ...] = (4, 8)
    factor_penalties: tuple[float, ...] = (100.0, 30.0, 10.0, 3.0)

    def __post_init__(self) -> None:
        if not self.weight_penalties:
            raise InvalidInputError("weight_penalties", self.weight_penalties, "must have at least one")
        for name in ("weight_penalties", "num_factors", "factor_penalties"):
            for value in getattr(self, name):
                if not 0 < value < np.inf:
                    raise InvalidInputError(name, value, "must be positive and finite")

    @property
    def num_fits(self) -> int:
        """How many machines `select_machine` fits at most."""
        return len(self.weight_penalties) + len(self.num_factors) * len(self.factor_penalties)


@dataclass(frozen=True)
class Part:
    """The features (n, D) and clicks (n,) of a part of the data."""

    features: csr_array
    clicks: NDArray[np.float64]
    shares: NDArray[np.float64] | None = None
    """(n,), of the clicks that come, the share that has come at a row's age; None: all."""


@dataclass(frozen=True)
class Trial:
    """One fit and its losses (n,) on the validation part."""

    fit: Fit
    penalty: Penalty
    losses: NDArray[np.float64]


@dataclass(frozen=True)
class Selection:
    """The chosen trial among all."""

    chosen: Trial
    trials: tuple[Trial, ...]


def select_machine(train: Part, validation: Part, grid: Grid, seed: int, report: Progress) -> Selection:
    """Fits logistic regressions over the weight penalties, then machines with factors at the chosen one.

    Both times `simplest_good` picks: first the penalty, then between no factors and those tried.
    `report` is told (fits done, fits at most, what is next).
    """
    done: list[Trial] = []

    def follow(penalties: list[Penalty], start: FactorizationMachine) -> list[Trial]:
        """Fits from strong to weak penalties, each from the last solution, until validation gets worse."""
        path: list[Trial] = []
        for penalty in penalties:
            num_factors = start.factors.shape[1]
            report(
                len(done), grid.num_fits, f"{num_factors} factors, L2 {penalty.weights:g}/{penalty.factors:g}"
            )
            fit = fit_machine(train.features, train.clicks, penalty, start, train.shares)
            logits = fit.machine.logits(validation.features)
            losses = log_loss(logits, validation.clicks, validation.shares)
            path.append(Trial(fit, penalty, losses))
            done.append(path[-1])
            if len(path) > 1 and losses.mean() > path[-2].losses.mean():
                break
            start = fit.machine
        return path

    constant = constant_machine(train.clicks, train.features.shape[1], 0, seed)
    logistic = simplest_good(follow([Penalty(strength, 0.0) for strength in grid.weight_penalties], constant))
    machines = [logistic]
    for num_factors in grid.num_factors:
        random = constant_machine(train.clicks, train.features.shape[1], num_factors, seed)
        start = replace(logistic.fit.machine, factors=random.factors)
        machines += follow([replace(logistic.penalty, factors=s) for s in grid.factor_penalties], start)
    report(grid.num_fits, grid.num_fits, "done")
    return Selection(simplest_good(machines), tuple(done))


def simplest_good(trials: list[Trial]) -> Trial:
    """Returns the first trial whose mean loss is within one standard error of the least.

    Trials are ordered from simple to flexible. The one-standard-error rule (Breiman, Friedman, Olshen, Stone,
    "Classification and Regression Trees", 1984, section 3.4.3), on paired rows: with few clicks no trial is
    clearly better than the base rate, and that is then the answer.
    """
    best = min(trials, key=lambda trial: float(trial.losses.mean()))
    for trial in trials:
        difference = trial.losses - best.losses
        if difference.mean() <= difference.std() / np.sqrt(len(difference)):
            return trial
    return best
