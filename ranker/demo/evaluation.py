"""What our slate policy is worth per impression, judged on a random log that it never learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.replay.diagnostics import Diagnostics, Verdict, diagnose, judge, rows_needed
from ranker.replay.estimators import dr, dr_terms, ips, snips
from ranker.replay.intervals import (
    Interval,
    betting_interval,
    betting_ratio_interval,
    bootstrap_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.demo.fixtures import BanditLog

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

# Predictions above this are cut for the doubly robust baseline. Any bound fixed beforehand keeps the estimate
# unbiased and gives its terms the known range that a betting interval needs.
BASELINE_CAP = 0.02
LIFTS = (0.5, 0.25, 0.1)
SEED = 2021
ROUNDING = 1 + 1e-9  # so that a weight at its bound is not beyond it


@dataclass(frozen=True, slots=True)
class ReplayedPolicy:
    """What our server decided for rows of the log, read back from its own event log."""

    rows: Integers  # (m,), rows of the log
    marginals: Floats  # (m, 80, 3), P(item at position), exploration included
    ctr: Floats  # (m, 80), as predicted
    exploration_ratio: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimator's answer with two 95 % intervals."""

    name: str
    value: float
    bootstrap: Interval
    betting: Interval


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """The answer under one reading of the log: which logged rows count as ours, and for how much."""

    reading: str
    estimates: tuple[Estimate, ...]
    difference: Estimate  # ours minus the logging policy's
    diagnostics: Diagnostics
    verdict: Verdict
    rows_needed: dict[float, int]  # by relative lift, to see it with 80 % chance


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that the log says about our policy."""

    logging: Estimate
    predicted: float  # clicks per impression of our policy, if the model were right
    by_position: PolicyValue  # assumes nothing
    pooled: PolicyValue  # assumes that an item is clicked as often at any of the three positions


def evaluate(log: BanditLog, policy: ReplayedPolicy) -> Evaluation:
    """Weight the logged clicks by how likely our policy was to show the same item."""
    rows = policy.rows
    items, positions = log.items[rows], log.positions[rows]
    row = np.arange(len(rows))
    clicks, propensities = log.clicks[rows], log.propensities[rows]
    ctr = np.minimum(policy.ctr, BASELINE_CAP)
    at_position = policy.marginals[row, :, positions]
    anywhere = policy.marginals.mean(axis=2)
    n, k, explored = *policy.marginals.shape[1:], policy.exploration_ratio
    # An item can fill a position for sure, and then it fills one of k.
    readings = {
        "same item at the same position": (at_position, 1 - explored + explored / n),
        "same item at any position": (anywhere, (1 - explored) / k + explored / n),
    }
    by_position, pooled = (
        _policy_value(
            name,
            _Columns(
                clicks,
                target[row, items] / propensities,
                ctr[row, items],
                (target * ctr).sum(axis=1),
                most_likely / float(propensities.min()) * ROUNDING,
            ),
        )
        for name, (target, most_likely) in readings.items()
    )
    logging = _estimate("logging policy", clicks, np.ones(len(rows)), 1.0)
    return Evaluation(logging, float((at_position * policy.ctr).sum(axis=1).mean()), by_position, pooled)


@dataclass(frozen=True, slots=True)
class _Columns:
    rewards: Floats
    weights: Floats
    baseline_logged: Floats
    baseline_target: Floats
    max_weight: float  # no policy with this exploration share has a larger one


def _policy_value(reading: str, columns: _Columns) -> PolicyValue:
    rewards, weights = columns.rewards, columns.weights
    diagnostics = diagnose(rewards, weights)
    difference = _difference(rewards, weights, columns.max_weight)
    return PolicyValue(
        reading=reading,
        estimates=(
            _estimate("IPS", rewards, weights, columns.max_weight),
            _snips(rewards, weights, columns.max_weight),
            _dr(columns),
        ),
        difference=difference,
        diagnostics=diagnostics,
        verdict=judge(diagnostics, difference.betting),
        rows_needed=_rows_needed(rewards, weights),
    )


def _estimate(name: str, rewards: Floats, weights: Floats, max_weight: float) -> Estimate:
    return Estimate(
        name,
        ips(rewards, weights),
        bootstrap_interval(ips, (rewards, weights), np.random.default_rng(SEED)),
        betting_interval(rewards * weights, 0.0, max_weight),
    )


def _snips(rewards: Floats, weights: Floats, max_weight: float) -> Estimate:
    return Estimate(
        "SNIPS",
        snips(rewards, weights),
        bootstrap_interval(snips, (rewards, weights), np.random.default_rng(SEED)),
        betting_ratio_interval(rewards, weights, max_weight),
    )


def _dr(columns: _Columns) -> Estimate:
    arrays = (columns.rewards, columns.weights, columns.baseline_logged, columns.baseline_target)
    bet = betting_interval(
        dr_terms(*arrays), -BASELINE_CAP * columns.max_weight, BASELINE_CAP + columns.max_weight
    )
    # A click rate lies in [0, 1], whatever the terms may do.
    clipped = Interval(max(bet.low, 0.0), min(bet.high, 1.0))
    return Estimate("DR", dr(*arrays), bootstrap_interval(dr, arrays, np.random.default_rng(SEED)), clipped)


def _difference(rewards: Floats, weights: Floats, max_weight: float) -> Estimate:
    def mean_difference(rewards: Floats, weights: Floats) -> float:
        return float(np.mean((weights - 1) * rewards))

    return Estimate(
        "difference",
        mean_difference(rewards, weights),
        bootstrap_interval(mean_difference, (rewards, weights), np.random.default_rng(SEED)),
        betting_interval((weights - 1) * rewards, -1.0, max_weight - 1),
    )


def _rows_needed(rewards: Floats, weights: Floats) -> dict[float, int]:
    """Take the variance of (w − 1)·r as if all items were clicked alike: few matched clicks show none."""
    base = float(rewards.mean())
    variance = float(np.mean((weights - 1) ** 2)) * base
    return {lift: rows_needed(variance, lift * base) for lift in LIFTS} if base > 0 else {}
