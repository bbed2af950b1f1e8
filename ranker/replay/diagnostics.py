"""Whether a log can answer the question at all, and what it would take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtri

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.replay.intervals import Interval

    Floats: TypeAlias = NDArray[np.float64]

# A mean weight further than this many standard errors from 1 means wrong propensities.
MAX_MEAN_WEIGHT_ERRORS = 4.0
# Below these, neither the value nor its interval means anything: a few rows decide both.
MIN_EFFECTIVE_ROWS = 100
MIN_EFFECTIVE_REWARDS = 10
# Below it, the spread that every interval is made of rests on a few rows, and intervals hold too rarely:
# `benchmarks/replay_answerable.py`.
MIN_VARIANCE_ROWS = 50


class Verdict(StrEnum):
    """What the rows say about the target policy against the logging policy."""

    BETTER = "better"
    WORSE = "worse"
    NOT_ANSWERABLE = "not_answerable"  # the interval of the difference contains 0
    WRONG_WEIGHTS = "wrong_weights"  # the logged propensities cannot be those of the log


class Answerability(StrEnum):
    """Whether the rows can tell what the target policy is worth at all."""

    ANSWERED = "answered"
    NOT_ANSWERABLE = "not_answerable"  # too few rows speak about the target
    WRONG_WEIGHTS = "wrong_weights"  # as in `Verdict`


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How much of the log speaks about the target policy."""

    num_rows: int
    effective_sample_size: float
    mean_weight: float  # 1 in expectation where the logging policy covers the target
    mean_weight_error: float  # standard error of the mean weight
    max_weight: float
    num_matched: int  # rows that the target would show at least as often as the logging policy did
    num_matched_rewards: int  # of those, rows with a reward above 0
    effective_rewards: float  # (Σwᵢrᵢ)² / Σ(wᵢrᵢ)²: as many equal rewarded rows would vary as much
    heaviest_share: float  # of the sum of the weights, in the ten heaviest rows
    variance_rows: (
        float  # (Σwᵢ²)² / Σwᵢ⁴: as many equal rows would have the spread of which intervals are made
    )


def diagnose(rewards: Floats, weights: Floats) -> Diagnostics:
    """Describe the weights `(n,)`; the effective sample size is (Σwᵢ)² / Σwᵢ².

    Source: Kong (1992), "A note on importance sampling using standardized weights".
    """
    check_rows(rewards, weights)
    matched = weights >= 1
    total = float(np.sum(weights))
    return Diagnostics(
        num_rows=weights.size,
        effective_sample_size=effective_number(weights),
        mean_weight=float(np.mean(weights)),
        mean_weight_error=float(np.std(weights)) / float(np.sqrt(weights.size)),
        max_weight=float(np.max(weights)),
        num_matched=int(np.count_nonzero(matched)),
        num_matched_rewards=int(np.count_nonzero(rewards[matched] > 0)),
        effective_rewards=effective_number(weights * rewards),
        heaviest_share=float(np.sort(weights)[-10:].sum()) / total if total > 0 else 0.0,
        variance_rows=effective_number(weights**2),
    )


def effective_number(parts: Floats) -> float:
    """Return (Σxᵢ)² / Σxᵢ², 0 without parts: their number where they are equal, 1 where one is all."""
    squares = float(np.sum(parts**2))
    return float(np.sum(parts)) ** 2 / squares if squares > 0 else 0.0


def answerable(diagnostics: Diagnostics) -> tuple[Answerability, tuple[str, ...], int | None]:
    """Say whether a value estimated from such weights is an answer, why not, and how many rows would do."""
    d = diagnostics
    if d.effective_sample_size == 0:
        return Answerability.NOT_ANSWERABLE, ("the target never does what was logged",), None
    reasons, factor = [], 1.0
    if d.effective_sample_size < MIN_EFFECTIVE_ROWS:
        reasons.append(f"effective sample size {d.effective_sample_size:.1f} < {MIN_EFFECTIVE_ROWS}")
        factor = MIN_EFFECTIVE_ROWS / d.effective_sample_size
    if d.variance_rows < MIN_VARIANCE_ROWS:
        reasons.append(f"the weights' spread rests on {d.variance_rows:.1f} rows < {MIN_VARIANCE_ROWS}")
        factor = max(factor, MIN_VARIANCE_ROWS / d.variance_rows)
    if 0 < d.effective_rewards < MIN_EFFECTIVE_REWARDS:
        reasons.append(f"effectively {d.effective_rewards:.1f} rewarded rows < {MIN_EFFECTIVE_REWARDS}")
        factor = max(factor, MIN_EFFECTIVE_REWARDS / d.effective_rewards)
    if d.effective_rewards == 0:
        return Answerability.NOT_ANSWERABLE, (*reasons, "no rewarded row speaks about the target"), None
    if reasons:
        return Answerability.NOT_ANSWERABLE, tuple(reasons), int(np.ceil(factor * d.num_rows))
    if (wrong := _wrong_weights(d)) is not None:
        return Answerability.WRONG_WEIGHTS, (wrong,), None
    return Answerability.ANSWERED, (), None


def _wrong_weights(diagnostics: Diagnostics) -> str | None:
    off = diagnostics.mean_weight - 1
    if abs(off) <= MAX_MEAN_WEIGHT_ERRORS * diagnostics.mean_weight_error + 1e-9:
        return None
    cause = (
        "logged propensities are too small"
        if off > 0
        else "logged propensities are too large, or the target does what the log never did"
    )
    return f"mean weight {diagnostics.mean_weight:.4f} is not 1: {cause}"


def judge(diagnostics: Diagnostics, difference: Interval) -> Verdict:
    """Say what the interval of (target − logging policy) decides, if the weights can be believed."""
    if _wrong_weights(diagnostics) is not None:
        return Verdict.WRONG_WEIGHTS
    if difference.low > 0:
        return Verdict.BETTER
    if difference.high < 0:
        return Verdict.WORSE
    return Verdict.NOT_ANSWERABLE


def rows_needed(variance: float, difference: float, *, level: float = 0.95, power: float = 0.8) -> int:
    """Return how many rows with terms of this `variance` show a `difference` of their mean from 0.

    n = variance·((z₁₋α/₂ + z_power) / difference)², the normal approximation: detected with chance `power`.
    """
    if not (np.isfinite(variance) and variance >= 0):
        raise InvalidInputError("variance", variance, "must be finite and not negative")
    if not (np.isfinite(difference) and difference > 0):
        raise InvalidInputError("difference", difference, "must be finite and positive")
    quantiles = float(ndtri((1 + level) / 2)) + float(ndtri(power))
    return int(np.ceil(variance * (quantiles / difference) ** 2))
