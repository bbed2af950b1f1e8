"""Intervals around an estimate: the bootstrap, and betting, which holds for any n and any weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.optimize import brentq
from scipy.stats import t as students_t

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

# Share of the largest bet that could never lose everything; the source recommends 1/2 to 3/4.
MAX_BET = 0.75


@dataclass(frozen=True, slots=True)
class Interval:
    """The values that the rows do not rule out."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InvalidInputError("interval.low", self.low, f"must not exceed high = {self.high}")

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def bootstrap_interval(
    estimator: Callable[..., float],
    columns: tuple[Floats, ...],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    num_resamples: int = 1000,
) -> Interval:
    """Resample whole rows and take the percentiles of `estimator(*columns)`.

    Approximate: too narrow where a handful of rows carries the estimate.
    Source: Efron (1979), "Bootstrap methods", section 2; percentile method of Efron (1981).
    """
    n = columns[0].shape[0]
    values = np.empty(num_resamples)
    for b in range(num_resamples):
        rows = rng.integers(n, size=n)
        values[b] = estimator(*(column[rows] for column in columns))
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high))


def skewed_mean_interval(values: Floats, *, level: float = 0.95) -> Interval:
    """Return an interval of the mean of `values` `(n,)`, independent, of which a few may carry the mean.

    [x̄ − s·g⁻¹(t), x̄ − s·g⁻¹(−t)], s the standard error. g takes the skewness γ out of T = (x̄ − μ)/s, with
    a = γ/√n: g(T) = T + aT²/3 + a²T³/27 + a/6, g⁻¹(u) = (3/a)·(∛(1 + a·(u − a/6)) − 1). What is left is as
    uncertain as s is: t is Student's quantile of min(n − 1, 2n/(κ − 1)) degrees of freedom, κ the kurtosis,
    since Var(s²)/s⁴ ≈ (κ − 1)/n. Where few values carry s, these are few.
    Raises InvalidInputError for fewer than two values.
    Source: Hall (1992), "On the removal of skewness by transformation", section 2; Satterthwaite (1946), "An
    approximate distribution of estimates of variance components", equation 17.
    """
    n = values.size
    if n < 2:
        raise InvalidInputError("values.shape", values.shape, "an interval needs at least two values")
    mean = float(values.mean())
    residual = values - mean
    variance = float((residual**2).mean())
    if variance <= np.finfo(np.float64).eps * mean**2:
        return Interval(mean, mean)
    unit = residual / np.sqrt(variance)
    skewness, excess = float((unit**3).mean()), float((unit**4).mean()) - 1
    freedom = min(n - 1, 2 * n / max(excess, 1e-300))
    quantile = float(students_t.ppf((1 + level) / 2, freedom))
    error, a = np.sqrt(variance / (n - 1)), skewness / np.sqrt(n)

    def shift(u: float) -> float:
        if abs(a) < 1e-9:
            return u
        return float(3 / a * (np.cbrt(1 + a * (u - a / 6)) - 1))

    return Interval(float(mean - error * shift(quantile)), float(mean - error * shift(-quantile)))


def betting_interval(terms: Floats, lower: float, upper: float, *, level: float = 0.95) -> Interval:
    """Return the means that no fair game on `terms` `(n,)`, independent and in [lower, upper], rules out.

    With X = (terms − lower) / (upper − lower), a mean m is kept while both capitals
    ∏ₜ (1 ± λₜ(X_t − m)) stay below 2/α; λₜ = √(2·log(2/α) / (n·σ̂²ₜ₋₁)), cut at c/m and c/(1−m). Exact at
    any n: it covers with probability ≥ `level`. `lower` and `upper` must be known beforehand, not seen.
    Source: Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting",
    the hedged capital interval for fixed n.
    """
    x = scaled_to_unit(terms, lower, upper)
    low, high = _betting_ends(x, lambda m: x - m, level)
    return Interval(lower + low * (upper - lower), lower + high * (upper - lower))


def empirical_bernstein_interval(
    terms: Floats, lower: float, upper: float, *, level: float = 0.95
) -> Interval:
    """Return x̄ ± (√(2s²·log(4/α)/n) + 7(upper − lower)·log(4/α)/(3(n − 1))), cut to the bounds.

    Exact at any n, in closed form, and much wider than betting where few terms are large.
    Source: Maurer and Pontil (2009), "Empirical Bernstein bounds and sample variance penalization", theorem
    4, on both sides.
    """
    x, n = scaled_to_unit(terms, lower, upper), terms.size
    if n < 2:
        raise InvalidInputError("terms.shape", terms.shape, "must be (n,) with at least two terms")
    log_term = np.log(4 / (1 - level))
    half = np.sqrt(2 * x.var(ddof=1) * log_term / n) + 7 * log_term / (3 * (n - 1))
    low, high = max(float(x.mean() - half), 0.0), min(float(x.mean() + half), 1.0)
    return Interval(lower + low * (upper - lower), lower + high * (upper - lower))


def betting_ratio_interval(
    rewards: Floats, weights: Floats, max_weight: float, *, level: float = 0.95
) -> Interval:
    """Return the values v at which w·(r − v) may have mean 0: the betting interval of `snips`.

    Rewards lie in [0, 1] and weights in [0, `max_weight`]. Because E w = 1, E w(r − v) = 0 exactly at the
    target policy's value; the game is that of `betting_interval` with excess w·(r − v) / `max_weight`.
    Source: Karampatziakis, Mineiro and Ramdas (2021), "Off-policy confidence sequences", section 4.
    """
    x = scaled_to_unit(weights * rewards, 0.0, max_weight)
    share = scaled_to_unit(weights, 0.0, max_weight)
    low, high = _betting_ends(x, lambda v: x - share * v, level)
    return Interval(low, high)


def scaled_to_unit(values: Floats, lower: float, upper: float) -> Floats:
    """Return (values − lower) / (upper − lower), or raise where one lies outside its bounds."""
    outside = ~((values >= lower) & (values <= upper))
    if outside.any():
        i = int(np.argmax(outside))
        raise InvalidInputError(f"terms[{i}]", float(values[i]), f"must lie in [{lower:g}, {upper:g}]")
    scaled: Floats = (values - lower) / (upper - lower)
    return scaled


def _betting_ends(x: Floats, excess: Callable[[float], Floats], level: float) -> tuple[float, float]:
    """Return the least and the largest m in [0, 1] that are kept; `excess(m)` falls with m."""
    bets = _bets(x, level)
    enough = np.log(2 / (1 - level))

    def surplus_below(m: float) -> float:  # > 0: the bet on a mean above m has won
        cut = np.minimum(bets, MAX_BET / m)
        return float(np.log1p(cut * excess(m)).sum() - enough)

    def surplus_above(m: float) -> float:
        cut = np.minimum(bets, MAX_BET / (1 - m))
        return float(np.log1p(-cut * excess(m)).sum() - enough)

    edge = 1e-12
    low = brentq(surplus_below, edge, 1 - edge, xtol=1e-10) if surplus_below(edge) > 0 else 0.0
    high = brentq(surplus_above, edge, 1 - edge, xtol=1e-10) if surplus_above(1 - edge) > 0 else 1.0
    # Both games win somewhere only where the rows drift: then nothing is kept, and the hull is the answer.
    return min(low, high), max(low, high)


def _bets(x: Floats, level: float) -> Floats:
    """Return the size of each bet from the rows before it alone: predictable, so the game is fair."""
    n = x.size
    count = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(x)) / (count + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (count + 1)
    before = np.concatenate(([0.25], variance[:-1]))
    bets: Floats = np.sqrt(2 * np.log(2 / (1 - level)) / (n * before))
    return bets
