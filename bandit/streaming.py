"""Closed-form variational update of the posterior: coordinate ascent over a batch of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from bandit.outcomes import active_rows
from bandit.posterior import Posterior

if TYPE_CHECKING:
    from bandit.features import RowArray
    from bandit.fm import FloatArray
    from bandit.outcomes import Cells


@dataclass(frozen=True)
class AscentSettings:
    """When the ascent stops."""

    sweeps: int = 50
    """Passes over all weights at most."""
    tolerance: float = 0.01
    """Largest change of any cell's logit in a sweep that is taken for none."""


def absorb(
    prior: Posterior,
    cells: Cells,
    start: Posterior | None = None,
    settings: AscentSettings = AscentSettings(),
) -> Posterior:
    """Updates a belief N(m₀, 1/τ₀) by a batch of cells; the search begins at `start`, or else at the prior.

    Every weight in turn takes the mean and variance that are best while the others stay. With g = ∂z/∂θ_i
    (1 for bias and linear weights, Σ_{h≠f} v_h for the factors of field f), p = σ(E z) and n impressions,

        L = Σ_cells [log Binomial(clicks | n, p) − ½ n p (1 − p) Var z] − Σ_i ½ τ₀ (m_i − m₀)²,
        m_i ← m_i + (∂L/∂m_i) / (τ₀ + Σ ω E[g²]),    1/s_i² = τ₀ + Σ n p (1 − p) E[g²].

    The weight ω = n tanh(z/2)/(2z) bounds the curvature of the likelihood, so that no step overshoots; the
    variance takes the curvature itself, because the bound is 2.5 times too sure at a click rate of 7 %.

    Source: Jaakkola and Jordan (2000), Bayesian parameter estimation via variational methods, equation 8 (ω);
    Wang and Blei (2013), Variational inference in nonconjugate models, section 3.2 (the expansion of L).
    """
    if not len(cells.rows):
        return prior
    active, rows = active_rows(cells.rows)
    weights = _moments(start or prior, active)
    _ascend(
        weights,
        _moments(prior, active),
        np.ascontiguousarray(rows.T),
        (cells.num_impressions, cells.num_clicks),
        (settings.sweeps, settings.tolerance),
    )
    bias, linear, factors = weights
    meeting = prior.loc.with_factors(active).size
    return Posterior(
        prior.loc.replaced(active, bias[0, 0], linear[0, :-1], factors[:, 0, :meeting].T),
        prior.scale.replaced(
            active, *(np.sqrt(x) for x in (bias[1, 0], linear[1, :-1], factors[:, 1, :meeting].T))
        ),
    )


def _moments(belief: Posterior, active: RowArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means and variances of bias (2, 1), linear (2, D' + 1) and factors (K, 2, D' + 1) of the active rows.

    The last row stands for an absent field: its weights are known to be 0, as factors that a row lacks are.
    """
    loc, scale = belief.loc.taken(active), belief.scale.taken(active)
    bias = np.array([[loc.bias], [np.square(scale.bias)]])
    linear = np.pad(np.stack([loc.linear, np.square(scale.linear)]), ((0, 0), (0, 1)))
    absent = len(active) + 1 - len(loc.factors)
    factors = np.stack([loc.factors.T, np.square(scale.factors.T)], axis=1)
    factors = np.pad(factors, ((0, 0), (0, 0), (0, absent)))
    return bias, linear, factors


@njit(nogil=True, cache=True)
def _ascend(
    weights: tuple[FloatArray, FloatArray, FloatArray],
    prior: tuple[FloatArray, FloatArray, FloatArray],
    rows: RowArray,
    counts: tuple[FloatArray, FloatArray],
    limits: tuple[int, float],
) -> None:
    """Sweeps until the logits rest.

    weights, changed in place, and prior: as `_moments` gives them; rows (A, N), D' where a field is absent;
    counts: impressions (N,), clicks (N,); limits: sweeps, tolerance.
    """
    bias, linear, factors = weights
    impressions, clicks = counts
    num_fields, num_cells = rows.shape
    totals = np.zeros((len(factors), 2, num_cells))
    for k in range(len(factors)):
        for f in range(num_fields):
            totals[k] += factors[k][:, rows[f]]
    z = _mean_logits(bias, linear, factors, totals, rows)
    everywhere = np.zeros(num_cells, np.int32)
    unit = np.stack((np.ones(num_cells), np.zeros(num_cells)))
    meets = np.array([np.any(prior[2][0, 1][rows[f]] > 0.0) for f in range(num_fields)])
    for _ in range(limits[0]):
        before = z.copy()
        p = 1.0 / (1.0 + np.exp(-z))
        # Residual, exact curvature, and the curvature's bound (its limit at z = 0 is n/4).
        slope = np.stack((clicks - impressions * p, impressions * p * (1.0 - p), 0.25 * impressions))
        for n in range(num_cells):
            if abs(z[n]) > 1e-4:
                slope[2, n] = impressions[n] * np.tanh(0.5 * z[n]) / (2.0 * z[n])
        _improve(bias, prior[0], everywhere, (unit, 0.0), slope, z)
        for f in range(num_fields):
            _improve(linear, prior[1], rows[f], (unit, 0.0), slope, z)
            for k in range(len(factors) if meets[f] else 0):
                _improve(factors[k], prior[2][k], rows[f], (totals[k], 1.0), slope, z)
        if np.max(np.abs(z - before)) < limits[1]:
            break


@njit(nogil=True, cache=True)
def _improve(
    weights: FloatArray,
    prior: FloatArray,
    rows: RowArray,
    gradient: tuple[FloatArray, float],
    slope: FloatArray,
    z: FloatArray,
) -> None:
    """Moves the weights of one column of rows to their best, and the residuals and logits with them.

    weights, prior: mean and variance (2, D); gradient: mean and variance of g (2, N), and 1 where they
    include the weight itself, 0 where not; slope (3, N).
    """
    num_weights = weights.shape[1]
    push, bound, information = np.zeros(num_weights), np.zeros(num_weights), np.zeros(num_weights)
    (mean, variance), own = gradient
    for n in range(len(rows)):
        row = rows[n]
        mean[n] -= own * weights[0, row]
        variance[n] -= own * weights[1, row]
        square = mean[n] * mean[n] + variance[n]
        push[row] += mean[n] * slope[0, n] - slope[1, n] * variance[n] * weights[0, row]
        information[row] += slope[1, n] * square
        bound[row] += slope[2, n] * square
    step = np.zeros(num_weights)
    for row in range(num_weights):
        # Nothing pushes on the rows of other fields, nor can the absent row move.
        if bound[row] > 0.0 and prior[1, row] > 0.0:
            precision = 1.0 / prior[1, row]
            step[row] = (push[row] - precision * (weights[0, row] - prior[0, row])) / (precision + bound[row])
            weights[0, row] += step[row]
            weights[1, row] = 1.0 / (precision + information[row])
    for n in range(len(rows)):
        change = mean[n] * step[rows[n]]
        z[n] += change
        slope[0, n] -= slope[2, n] * change
        mean[n] += own * weights[0, rows[n]]
        variance[n] += own * weights[1, rows[n]]


@njit(nogil=True, cache=True)
def _mean_logits(
    bias: FloatArray, linear: FloatArray, factors: FloatArray, totals: FloatArray, rows: RowArray
) -> FloatArray:
    z = np.full(rows.shape[1], bias[0, 0])
    for f in range(len(rows)):
        z += linear[0][rows[f]]
        for k in range(len(factors)):
            mean = factors[k, 0][rows[f]]
            z += 0.5 * mean * (totals[k, 0] - mean)
    return z
