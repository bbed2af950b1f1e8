"""Confidence sequences: intervals for a mean that hold at every row at once, so that they may be watched.

A gambler who thinks that the mean is above m bets a share λₜ of the capital on each term; if m is the mean,
the capital is a non-negative martingale and exceeds 1/α ever with probability at most α (Ville, 1939). The
means that no gambler got rich against are the sequence. λₜ is chosen before term t is seen.
Source: Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.intervals import MAX_BET, Interval, scaled_to_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

# Terms of one step, times means: what is held in memory.
_STEP = 256
_RUN = 16
_GRID_REACH = np.geomspace(1e-6, 1.0, 160)


@dataclass(frozen=True, slots=True)
class Running:
    """The running mean and variance of terms in [0, 1], begun with one half and one quarter."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0  # Σ (xᵢ − μ̂ᵢ)²

    def over(self, x: Floats) -> tuple[Floats, Floats, Running]:
        """Return μ̂ₜ₋₁ and σ̂²ₜ₋₁ before each term, `(n,)` each, and what follows the last one.

        μ̂ₜ = (1/2 + Σ xᵢ)/(t + 1), σ̂²ₜ = (1/4 + Σ (xᵢ − μ̂ᵢ)²)/(t + 1).
        """
        count = self.count + np.arange(1, x.size + 1)
        totals = self.total + np.cumsum(x)
        mean = (0.5 + totals) / (count + 1)
        squares = self.squares + np.cumsum((x - mean) ** 2)
        variance = (0.25 + squares) / (count + 1)
        first_mean = (0.5 + self.total) / (self.count + 1)
        first_variance = (0.25 + self.squares) / (self.count + 1)
        after = Running(int(count[-1]), float(totals[-1]), float(squares[-1])) if x.size else self
        before = np.concatenate(([first_mean], mean[:-1])), np.concatenate(([first_variance], variance[:-1]))
        return before[0][: x.size], before[1][: x.size], after


def predictable_bets(variance: Floats, first: int, level: float) -> Floats:
    """Return λₜ = √(2·log(2/α) / (σ̂²ₜ₋₁·t·log(t + 1))), `(n,)`, for t = `first`, …"""
    t = first + np.arange(variance.size)
    bets: Floats = np.sqrt(2 * np.log(2 / (1 - level)) / (variance * t * np.log(t + 1)))
    return bets


def log_capitals(
    terms: Floats, mean: float, bounds: tuple[float, float], level: float
) -> tuple[Floats, Floats]:
    """Return the log capital of who bets above and of who bets below `mean` after each term, `(n,)` each.

    log ∏ (1 ± λₜ(xₜ − m)) with λₜ cut at c/m and c/(1 − m). `mean` is left out of the
    sequence from the first t on at which either exceeds log(2/α).
    """
    lower, upper = bounds
    x = scaled_to_unit(terms, lower, upper)
    m = (mean - lower) / (upper - lower)
    _, variance, _ = Running().over(x)
    bets = predictable_bets(variance, 1, level)
    above = np.log1p(np.minimum(bets, MAX_BET / max(m, 1e-300)) * (x - m))
    below = np.log1p(-np.minimum(bets, MAX_BET / max(1 - m, 1e-300)) * (x - m))
    return np.cumsum(above), np.cumsum(below)


@dataclass(frozen=True, slots=True)
class BettingSequence:
    """The hedged capital sequence after some terms: the capital of both gamblers against a grid of means."""

    lower: float  # bounds of the terms, known beforehand
    upper: float
    level: float
    means: Floats  # (G,), in [0, 1], rising
    running: Running
    log_above: Floats  # (G,), largest so far of the gambler who bets that the mean lies above
    log_below: Floats  # (G,)
    current_above: Floats  # (G,), now
    current_below: Floats  # (G,)

    @property
    def interval(self) -> Interval:
        """The means that were never left out, widened to the grid: at least as sure as the exact ones."""
        enough = np.log(2 / (1 - self.level))
        # Both capitals are monotone in the mean: what lost against them lies at either end.
        num_below = int(np.count_nonzero(self.log_above > enough))
        num_above = int(np.count_nonzero(self.log_below > enough))
        low = float(self.means[max(num_below - 1, 0)])
        high = float(self.means[min(self.means.size - num_above, self.means.size - 1)])
        width = self.upper - self.lower
        return Interval(self.lower + min(low, high) * width, self.lower + max(low, high) * width)

    def log_evidence(self, mean: float) -> float:
        """Return the log e-value, now, against the true mean being at most `mean`, a point of the grid."""
        m = (mean - self.lower) / (self.upper - self.lower)
        i = int(np.argmin(np.abs(self.means - m)))
        if abs(self.means[i] - m) > 1e-12:
            raise InvalidInputError("mean", mean, "must be the focus of the sequence")
        return float(self.current_above[i])


def begin(lower: float, upper: float, *, focus: float, level: float = 0.95) -> BettingSequence:
    """Begin a sequence for terms in [lower, upper]; its grid is finest around `focus`."""
    if not (np.isfinite(lower) and np.isfinite(upper) and lower < upper):
        raise InvalidInputError("bounds", (lower, upper), "must be finite, the lower below the upper")
    if not lower <= focus <= upper:
        raise InvalidInputError("focus", focus, f"must lie in [{lower:g}, {upper:g}]")
    if not 0 < level < 1:
        raise InvalidInputError("level", level, "must lie in (0, 1)")
    centre = (focus - lower) / (upper - lower)
    grid = np.concatenate(([0.0, centre, 1.0], centre + _GRID_REACH, centre - _GRID_REACH))
    means = np.unique(grid[(grid >= 0) & (grid <= 1)])
    zero = np.zeros(means.size)
    return BettingSequence(lower, upper, level, means, Running(), zero, zero, zero, zero)


def watch(sequence: BettingSequence, terms: Floats) -> BettingSequence:
    """Go on with more terms, `(n,)`, in the order in which they came; each is looked at on its own."""
    x = scaled_to_unit(terms, sequence.lower, sequence.upper)
    for start in range(0, x.size, _STEP):
        sequence = _step(sequence, x[start : start + _STEP])
    return sequence


def _step(s: BettingSequence, x: Floats) -> BettingSequence:
    _, variance, running = s.running.over(x)
    bets = predictable_bets(variance, s.running.count + 1, s.level)[:, None]
    with np.errstate(divide="ignore"):
        cut_above, cut_below = MAX_BET / s.means, MAX_BET / (1 - s.means)
    excess = x[:, None] - s.means
    highest_above, above = _grown(s.current_above, np.minimum(bets, cut_above) * excess + 1)
    highest_below, below = _grown(s.current_below, 1 - np.minimum(bets, cut_below) * excess)
    return replace(
        s,
        running=running,
        log_above=np.maximum(s.log_above, highest_above),
        log_below=np.maximum(s.log_below, highest_below),
        current_above=above,
        current_below=below,
    )


def _grown(log_capital: Floats, factors: Floats) -> tuple[Floats, Floats]:
    """Return the largest log capital on the way and the last, `(G,)` each, of `factors` `(n, G)` in turn.

    A factor lies in [1/4, 8]: the product of 16 is a plain number, and one logarithm does for all of them.
    """
    short = -len(factors) % _RUN
    padded = np.concatenate((factors, np.ones((short, factors.shape[1])))) if short else factors
    runs = padded.reshape(-1, _RUN, factors.shape[1])
    np.multiply.accumulate(runs, axis=1, out=runs)
    ends = np.cumsum(np.log(runs[:, -1]), axis=0)
    before = np.concatenate((np.zeros((1, ends.shape[1])), ends[:-1]))
    highest = log_capital + (before + np.log(runs.max(axis=1))).max(axis=0)
    return highest, log_capital + ends[-1]


def empirical_bernstein_sequence(
    terms: Floats, lower: float, upper: float, *, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the ends, `(n,)` each, of the predictable plug-in empirical Bernstein sequence.

    (Σ λᵢxᵢ ± (log(2/α) + Σ 4(xᵢ − μ̂ᵢ₋₁)²·ψ(λᵢ))) / Σ λᵢ, ψ(λ) = (−log(1 − λ) − λ)/4, intersected over time:
    theorem 2 of the source. In closed form, and wider than betting.
    """
    x = scaled_to_unit(terms, lower, upper)
    mean, variance, _ = Running().over(x)
    bets = np.minimum(predictable_bets(variance, 1, level), MAX_BET)
    psi = (-np.log1p(-bets) - bets) / 4
    total = np.cumsum(bets)
    centre = np.cumsum(bets * x) / total
    half = (np.log(2 / (1 - level)) + np.cumsum(4 * (x - mean) ** 2 * psi)) / total
    low = np.maximum.accumulate(np.maximum(centre - half, 0.0))
    high = np.minimum.accumulate(np.minimum(centre + half, 1.0))
    return lower + low * (upper - lower), lower + high * (upper - lower)
