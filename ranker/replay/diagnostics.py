"""Whether a log can answer the question at all, and what it would take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtri

from ranker.errors import InvalidInputError
from ranker.replay.estimators import check_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.replay.intervals import Interval

    Floats: TypeAlias = NDArray[np.float64]

# A mean weight further than this many standard errors from 1 means wrong propensities.
MAX_MEAN_WEIGHT_ERRORS = 4.0


class Verdict(StrEnum):
    """What the rows say about the target policy against the logging policy."""

    BETTER = "better"
    WORSE = "worse"
    NOT_ANSWERABLE = "not_answerable"  # the interval of the difference contains 0
    WRONG_WEIGHTS = "wrong_weights"  # the logged propensities cannot be those of the log


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


def diagnose(rewards: Floats, weights: Floats) -> Diagnostics:
    """Describe the weights `(n,)`; the effective sample size is (Σwᵢ)² / Σwᵢ².

    Source: Kong (1992), "A note on importance sampling using standardized weights".
    """
    check_rows(rewards, weights)
    squares = float(np.sum(weights**2))
    matched = weights >= 1
    return Diagnostics(
        num_rows=weights.size,
        effective_sample_size=float(np.sum(weights)) ** 2 / squares if squares > 0 else 0.0,
        mean_weight=float(np.mean(weights)),
        mean_weight_error=float(np.std(weights)) / float(np.sqrt(weights.size)),
        max_weight=float(np.max(weights)),
        num_matched=int(np.count_nonzero(matched)),
        num_matched_rewards=int(np.count_nonzero(rewards[matched] > 0)),
    )


def judge(diagnostics: Diagnostics, difference: Interval) -> Verdict:
    """Say what the interval of (target − logging policy) decides, if the weights can be believed."""
    off = abs(diagnostics.mean_weight - 1)
    if off > MAX_MEAN_WEIGHT_ERRORS * diagnostics.mean_weight_error + 1e-9:
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
