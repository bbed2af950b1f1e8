"""Intervention harvesting: attention from items that the logging policy itself moved about."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit

from ranker.attention.curve import curve_from_log_attention
from ranker.attention.identification import pair_clicks, require_identified
from ranker.attention.kernel import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.counts import Counts
    from ranker.attention.curve import Curve

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

MAX_STEPS = 100
# Newton's predicted gain, in units where 1 is one squared standard error of the whole curve.
TOLERANCE = 1e-10


def harvest(counts: Counts, *, span: int | None = None, level: float = 0.95) -> Curve:
    """Returns the curve from all pairs of positions (or those at most `span` apart; 1: the adjacent chain).

    Among the items shown at both j and l, X_jl and X_lj (`pair_clicks`) have means in the ratio a_j : a_l,
    so α = log a solves Σ_l [X_jl − (X_jl + X_lj)·σ(α_j − α_l)] = 0 for every j, a concave problem. No
    attractiveness is estimated: the equations have mean 0 however few impressions an item has. The interval
    is the delta method's, J⁻¹·V·J⁻¹, with a click count's variance estimated by the count itself (Poisson),
    which errs to the wide side by 1/√(1 − CTR).
    Source: Agarwal et al. (2019), "Estimating position bias without intrusive interventions", section 4;
    the likelihood is that of Bradley and Terry (1952) with one parameter a position.
    """
    require_identified(counts, span)
    pairs = pair_clicks(counts, span)
    alpha = _solve(pairs)
    win = expit(alpha[:, None] - alpha[None, :])
    variance = _score_variance(
        counts.starts, counts.position, counts.impressions, counts.clicks, (win, span or len(alpha))
    )
    inverse = np.linalg.pinv(_information(pairs, win), hermitian=True)
    return curve_from_log_attention(alpha, inverse @ variance @ inverse, counts, level)


def _information(pairs: Floats, win: Floats) -> Floats:
    weight = (pairs + pairs.T) * win * (1 - win)
    return np.diag(weight.sum(axis=1)) - weight


def _solve(pairs: Floats) -> Floats:
    """Returns α (k,) by Newton's method with halved steps; the maximum exists and is unique up to a shift."""
    total = pairs + pairs.T
    alpha = np.zeros(len(pairs))

    def objective(alpha: Floats) -> float:
        return float((pairs * -np.logaddexp(0.0, alpha[None, :] - alpha[:, None])).sum())

    for _ in range(MAX_STEPS):
        win = expit(alpha[:, None] - alpha[None, :])
        score = (pairs - total * win).sum(axis=1)
        step = np.linalg.pinv(_information(pairs, win), hermitian=True) @ score
        if score @ step < TOLERANCE:
            break
        now = objective(alpha)
        while objective(alpha + step) < now and np.abs(step).max() > 1e-12:
            step /= 2
        alpha = alpha + step
    return alpha


@kernel
def _score_variance(
    starts: Ints, position: Ints, impressions: Floats, clicks: Floats, shape: tuple[Floats, int]
) -> Floats:
    """Returns Σ over cells of clicks·v·vᵀ (k, k), v the gradient of the score in the cell's clicks."""
    win, span = shape
    k = len(win)
    result = np.zeros((k, k))
    v = np.zeros(k)
    for i in range(len(starts) - 1):
        for a in range(starts[i], starts[i + 1]):
            if clicks[a] == 0:
                continue
            j = position[a]
            v[:] = 0.0
            for b in range(starts[i], starts[i + 1]):
                other = position[b]
                if other != j and abs(j - other) <= span:
                    move = impressions[b] / (impressions[a] + impressions[b]) * (1 - win[j, other])
                    v[j] += move
                    v[other] -= move
            for p in range(k):
                if v[p] != 0.0:
                    for q in range(k):
                        result[p, q] += clicks[a] * v[p] * v[q]
    return result
