"""One pass over a log: the sums from which every estimator, its bootstrap and its diagnostics follow.

Rows are spread over blocks by their request, and each block keeps its own sums. Every estimator here is a
function of sums, so the whole log costs a few arrays of fixed size; resampling blocks is the bootstrap.
Sums of parts are added up in the order of the parts: the result does not depend on who computed which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.estimators import optimistically_shrunk, sub_gaussian, switched
from ranker.replay.estimators.rows import check_positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.replay.logged_batch import WeightedRows

    Floats: TypeAlias = NDArray[np.float64]

NUM_BLOCKS = 1000
NUM_HEAVIEST = 10
# Rows of one step: large enough that calls cost nothing, small enough that its columns stay in the cache.
STEP = 32_768

COLUMNS = (
    "rows",
    "rewards",
    "weights",
    "squared_weights",
    "weighted_rewards",
    "squared_weighted_rewards",
    "clipped_rewards",
    "sub_gaussian_rewards",
    "baselines",
    "residuals",
    "switched_residuals",
    "shrunk_residuals",
    "sub_gaussian_residuals",
)
(ROWS, REWARDS, WEIGHTS, SQUARED_WEIGHTS, WEIGHTED_REWARDS, SQUARED_WEIGHTED_REWARDS) = range(6)
(CLIPPED_REWARDS, SUB_GAUSSIAN_REWARDS, BASELINES, RESIDUALS) = range(6, 10)
(SWITCHED_RESIDUALS, SHRUNK_RESIDUALS, SUB_GAUSSIAN_RESIDUALS) = range(10, 13)


@dataclass(frozen=True, slots=True)
class Tuning:
    """The parameters of the estimators that have one; `slope` finds them on a sample of the log."""

    largest_weight: float = 10.0  # clipped IPS: M
    switch_threshold: float = 10.0  # Switch-DR: τ
    shrinkage: float = 100.0  # DRos: λ
    sub_gaussian: float = 0.01  # sub-Gaussian IPS and DR: λ

    def __post_init__(self) -> None:
        for name in ("largest_weight", "switch_threshold", "shrinkage"):
            check_positive(name, getattr(self, name))
        if not 0 <= self.sub_gaussian <= 1:
            raise InvalidInputError("sub_gaussian", self.sub_gaussian, "must lie in [0, 1]")


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over rows by block, and what no sum can tell about the weights."""

    sums: Floats  # (NUM_BLOCKS, len(COLUMNS))
    heaviest: Floats  # (≤ NUM_HEAVIEST,), the largest weights, falling
    num_matched: int  # rows that the target would show at least as often as the logging policy did
    num_matched_rewards: int  # of those, rows with a reward above 0

    @property
    def total(self) -> Floats:
        """Sums over all rows, `(len(COLUMNS),)`."""
        total: Floats = self.sums.sum(axis=0)
        return total

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self.sums[:, ROWS].sum())


def no_rows() -> Moments:
    """Return the sums of a log without rows."""
    return Moments(np.zeros((NUM_BLOCKS, len(COLUMNS))), np.empty(0), 0, 0)


def add(left: Moments, right: Moments) -> Moments:
    """Return the sums over the rows of both."""
    return Moments(
        left.sums + right.sums,
        _heaviest(np.concatenate((left.heaviest, right.heaviest))),
        left.num_matched + right.num_matched,
        left.num_matched_rewards + right.num_matched_rewards,
    )


def accumulate(rows: WeightedRows, tuning: Tuning = Tuning()) -> Moments:
    """Return the sums over `rows`; time and memory are O(n) and O(1) beyond the columns themselves."""
    sums = np.zeros((len(COLUMNS), NUM_BLOCKS))
    heaviest = np.empty(0)
    matched = matched_rewards = 0
    for start in range(0, rows.rewards.size, STEP):
        part = slice(start, start + STEP)
        rewards, weights = rows.rewards[part], rows.weights[part]
        blocks = rows.requests[part] % NUM_BLOCKS
        columns = _columns(rewards, weights, (rows.baseline_logged[part], rows.baseline_target[part]), tuning)
        sums[ROWS] += np.bincount(blocks, minlength=NUM_BLOCKS)
        for row, column in zip(sums[1:], columns, strict=True):
            row += np.bincount(blocks, weights=column, minlength=NUM_BLOCKS)
        heaviest = _heaviest(np.concatenate((heaviest, _heaviest(weights))))
        likely = weights >= 1
        matched += int(np.count_nonzero(likely))
        matched_rewards += int(np.count_nonzero(rewards[likely] > 0))
    return Moments(np.ascontiguousarray(sums.T), heaviest, matched, matched_rewards)


def _columns(
    rewards: Floats, weights: Floats, baselines: tuple[Floats, Floats], tuning: Tuning
) -> tuple[Floats, ...]:
    """Return the terms of all COLUMNS but the first, `(n,)` each."""
    logged, target = baselines
    weighted = weights * rewards
    residuals = rewards - logged
    gaussian = sub_gaussian(weights, tuning.sub_gaussian)
    return (
        rewards,
        weights,
        weights**2,
        weighted,
        weighted**2,
        np.minimum(weights, tuning.largest_weight) * rewards,
        gaussian * rewards,
        target,
        weights * residuals,
        switched(weights, tuning.switch_threshold) * residuals,
        optimistically_shrunk(weights, tuning.shrinkage) * residuals,
        gaussian * residuals,
    )


def _heaviest(weights: Floats) -> Floats:
    if weights.size > NUM_HEAVIEST:
        weights = np.partition(weights, -NUM_HEAVIEST)[-NUM_HEAVIEST:]
    return np.sort(weights)[::-1]


def resampled(moments: Moments, rng: np.random.Generator, num_resamples: int = 1000) -> Floats:
    """Return the sums of `num_resamples` bootstrap logs, `(num_resamples, len(COLUMNS))`.

    Blocks are drawn with replacement, as many as hold rows. With at most one request a block this is the
    bootstrap over requests; with more, the rows of a block are one draw, and n blocks are many enough.
    Source: Efron (1979), "Bootstrap methods"; blocks as in Cameron, Gelbach and Miller (2008), section II.
    """
    filled = moments.sums[moments.sums[:, ROWS] > 0]
    if len(filled) < 2:
        raise InvalidInputError("requests", len(filled), "a bootstrap needs at least two requests")
    m = len(filled)
    drawn = rng.integers(m, size=(num_resamples, m)) + m * np.arange(num_resamples)[:, None]
    counts = np.bincount(drawn.reshape(-1), minlength=num_resamples * m).reshape(num_resamples, m)
    totals: Floats = counts @ filled
    return totals
