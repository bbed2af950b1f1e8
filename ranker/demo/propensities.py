"""Checks logged propensities where both actions' outcomes are known: estimates against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.stats import norm

from ranker.demo.fixtures import INCOME_CLASSES
from ranker.replay.estimators import ips
from ranker.replay.intervals import Interval, betting_interval, bootstrap_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.demo.served_log import ServedCreatives

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

# Most logged chances are those of exploration alone or of certainty, so the outer bins are narrow.
BIN_EDGES = (0.011, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.989)
SEED = 1996


@dataclass(frozen=True, slots=True)
class ConstantPolicy:
    """What always showing one creative would have earned: estimated from the log, and in truth."""

    name: str
    truth: float
    estimate: float
    bootstrap: Interval
    betting: Interval


@dataclass(frozen=True, slots=True)
class PropensityBin:
    """Decisions of about the same logged chance to show the second creative."""

    logged: float
    observed: float
    interval: Interval  # 95 %, Wilson's, of the observed share
    count: int


@dataclass(frozen=True, slots=True)
class PropensityCheck:
    """Two checks of the same claim: the logged probabilities are those by which was drawn."""

    policies: tuple[ConstantPolicy, ...]
    bins: tuple[PropensityBin, ...]


def check_propensities(served: ServedCreatives, classes: Integers) -> PropensityCheck:
    """Judge the served log against `classes` `(n,)`, each person's true class."""
    policies = tuple(_constant(served, classes, action) for action in range(len(INCOME_CLASSES)))
    return PropensityCheck(policies, _bins(served))


def _constant(served: ServedCreatives, classes: Integers, action: int) -> ConstantPolicy:
    weights = (served.shown == action) / served.propensities
    # Uniform exploration alone shows each creative with floor / number of creatives.
    max_weight = len(INCOME_CLASSES) / served.floor
    rng = np.random.default_rng(SEED)
    return ConstantPolicy(
        name=f"always “{INCOME_CLASSES[action]}”",
        truth=float(np.mean(classes == action)),
        estimate=ips(served.rewards, weights),
        bootstrap=bootstrap_interval(ips, (served.rewards, weights), rng),
        betting=betting_interval(served.rewards * weights, 0.0, max_weight * (1 + 1e-9)),
    )


def _bins(served: ServedCreatives) -> tuple[PropensityBin, ...]:
    # Rounded, because p and 1 − (1 − p) differ in their last bits and would come to lie in different bins.
    chances = np.where(served.shown == 1, served.propensities, 1 - served.propensities).round(9)
    found = []
    for number in range(len(BIN_EDGES) + 1):
        members = np.searchsorted(BIN_EDGES, chances, side="right") == number
        if members.any():
            observed, count = float(served.shown[members].mean()), int(members.sum())
            found.append(
                PropensityBin(float(chances[members].mean()), observed, wilson(observed, count), count)
            )
    return tuple(found)


def wilson(share: float, count: int, level: float = 0.95) -> Interval:
    """Return the interval of a binomial share of Wilson (1927)."""
    z = float(norm.ppf((1 + level) / 2))
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return Interval(float(middle - half), float(middle + half))
