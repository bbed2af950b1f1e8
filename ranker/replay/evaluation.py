"""Every estimator as a function of the sums of one pass, with interval, diagnostics and verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay import moments as m
from ranker.replay.diagnostics import Answerability, Diagnostics, answerable, effective_number
from ranker.replay.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a policy is worth by one estimator, how sure that is, and whether it is an answer at all."""

    estimator: str
    value: float
    interval: Interval
    level: float
    diagnostics: Diagnostics
    verdict: Answerability
    reasons: tuple[str, ...] = ()  # why this is no answer
    rows_needed: int | None = None  # rows of such a log that would answer; None: it answers, or none would


def _per_row(column: int) -> Callable[[Floats], Floats]:
    def mean(sums: Floats) -> Floats:
        return np.asarray(sums[..., column] / sums[..., m.ROWS])

    return mean


def _corrected(column: int) -> Callable[[Floats], Floats]:
    def mean(sums: Floats) -> Floats:
        return np.asarray((sums[..., m.BASELINES] + sums[..., column]) / sums[..., m.ROWS])

    return mean


def _snips(sums: Floats) -> Floats:
    return np.asarray(sums[..., m.WEIGHTED_REWARDS] / sums[..., m.WEIGHTS])


def _sndr(sums: Floats) -> Floats:
    correction = sums[..., m.RESIDUALS] / sums[..., m.WEIGHTS]
    return np.asarray(sums[..., m.BASELINES] / sums[..., m.ROWS] + correction)


WEIGHTING: dict[str, Callable[[Floats], Floats]] = {
    "IPS": _per_row(m.WEIGHTED_REWARDS),
    "SNIPS": _snips,
    "clipped IPS": _per_row(m.CLIPPED_REWARDS),
    "sub-Gaussian IPS": _per_row(m.SUB_GAUSSIAN_REWARDS),
}
"""Need no reward model; functions of sums `(…, columns)`."""

WITH_MODEL: dict[str, Callable[[Floats], Floats]] = {
    "DM": _per_row(m.BASELINES),
    "DR": _corrected(m.RESIDUALS),
    "SNDR": _sndr,
    "Switch-DR": _corrected(m.SWITCHED_RESIDUALS),
    "DRos": _corrected(m.SHRUNK_RESIDUALS),
    "sub-Gaussian DR": _corrected(m.SUB_GAUSSIAN_RESIDUALS),
}
"""Need baselines in the rows."""

LOGGED = "logging policy"


def values(sums: m.Moments) -> dict[str, float]:
    """Return every estimator's value by name; NaN where no logged action could be the target's."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: float(of(sums.total)) for name, of in {**WEIGHTING, **WITH_MODEL}.items()}


def evaluate(
    sums: m.Moments, rng: np.random.Generator, *, level: float = 0.95, with_model: bool = True
) -> dict[str, Estimate]:
    """Return each estimator's answer with a bootstrap interval over blocks of requests.

    `with_model`: the rows carried the baselines of a reward model.
    """
    if sums.num_rows == 0:
        raise InvalidInputError("log", 0, "holds no usable row")
    diagnostics = diagnostics_of(sums)
    verdict = answerable(diagnostics)
    resamples = m.resampled(sums, rng)
    estimators = WEIGHTING | (WITH_MODEL if with_model else {})
    found = {}
    for name, of in estimators.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            value, spread = float(of(sums.total)), of(resamples)
        found[name] = Estimate(name, value, _percentiles(spread, level), level, diagnostics, *verdict)
    return found


def difference(sums: m.Moments, rng: np.random.Generator, *, level: float = 0.95) -> tuple[float, Interval]:
    """Return the IPS estimate of (target − logging policy), paired by row, with its bootstrap interval."""

    def of(total: Floats) -> Floats:
        return np.asarray((total[..., m.WEIGHTED_REWARDS] - total[..., m.REWARDS]) / total[..., m.ROWS])

    return float(of(sums.total)), _percentiles(of(m.resampled(sums, rng)), level)


def logged_value(sums: m.Moments, rng: np.random.Generator, *, level: float = 0.95) -> tuple[float, Interval]:
    """Return the mean reward of the log itself, with its bootstrap interval."""
    of = _per_row(m.REWARDS)
    return float(of(sums.total)), _percentiles(of(m.resampled(sums, rng)), level)


def diagnostics_of(sums: m.Moments) -> Diagnostics:
    """Describe the weights from the sums of one pass; `variance_rows` counts blocks, at most 1,000."""
    total = sums.total
    n, weight, squares = total[m.ROWS], total[m.WEIGHTS], total[m.SQUARED_WEIGHTS]
    mean = weight / n
    rewarded = total[m.SQUARED_WEIGHTED_REWARDS]
    return Diagnostics(
        num_rows=sums.num_rows,
        effective_sample_size=float(weight**2 / squares) if squares > 0 else 0.0,
        mean_weight=float(mean),
        mean_weight_error=float(np.sqrt(max(squares / n - mean**2, 0.0) / n)),
        max_weight=float(sums.heaviest[0]) if sums.heaviest.size else 0.0,
        num_matched=sums.num_matched,
        num_matched_rewards=sums.num_matched_rewards,
        effective_rewards=float(total[m.WEIGHTED_REWARDS] ** 2 / rewarded) if rewarded > 0 else 0.0,
        heaviest_share=float(sums.heaviest.sum() / weight) if weight > 0 else 0.0,
        variance_rows=effective_number(sums.sums[:, m.SQUARED_WEIGHTS]),
    )


def _percentiles(spread: Floats, level: float) -> Interval:
    finite = spread[np.isfinite(spread)]
    if finite.size == 0:  # no resample holds an action of the target
        return Interval(-np.inf, np.inf)
    low, high = np.quantile(finite, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high))
