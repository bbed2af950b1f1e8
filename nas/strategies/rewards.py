"""Rewards that weigh quality against latency for a policy that learns from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import SearchError

if TYPE_CHECKING:
    from nas.trial import Trial


def quality_reward(trial: Trial) -> float:
    """Quality alone.

    Source: Pham et al. 2018, Efficient neural architecture search via parameter sharing (arXiv 1802.03268).
    """
    return trial.quality


@dataclass(frozen=True)
class MnasNetReward:
    """quality · (latency / target)^exponent, where quality is positive.

    Source: Tan et al. 2019, MnasNet (arXiv 1807.11626), equation 2 with α = β: the soft constraint.
    """

    target: float
    exponent: float = -0.07

    def __post_init__(self) -> None:
        _check_target(self.target)
        if self.exponent > 0.0:
            raise SearchError("exponent", self.exponent, "must not be positive: it would pay to be slow")

    def __call__(self, trial: Trial) -> float:
        """Weighs one trial."""
        _check_latency(trial)
        if trial.quality <= 0.0:
            raise SearchError("trial.quality", trial.quality, "must be positive for a product of rewards")
        return float(trial.quality * (trial.latency / self.target) ** self.exponent)


@dataclass(frozen=True)
class AbsoluteReward:
    """quality + price · |latency / target − 1|, with a price below zero.

    Faster than the target costs as much as slower: so the search lands on it in one run, without a new run
    for each exponent. The price is in units of quality.

    Source: Bender et al. 2020, Can weight sharing outperform random architecture search? (TuNAS,
    arXiv 2008.06120), section 3.2.
    """

    target: float
    price: float

    def __post_init__(self) -> None:
        _check_target(self.target)
        if self.price >= 0.0:
            raise SearchError("price", self.price, "must be negative")

    def __call__(self, trial: Trial) -> float:
        """Weighs one trial."""
        _check_latency(trial)
        return trial.quality + self.price * abs(trial.latency / self.target - 1.0)


def _check_target(target: float) -> None:
    if not target > 0.0:
        raise SearchError("target", target, "must be a positive latency")


def _check_latency(trial: Trial) -> None:
    if not trial.latency > 0.0:
        raise SearchError("trial.latency", trial.latency, "is not known, and this reward needs it")
