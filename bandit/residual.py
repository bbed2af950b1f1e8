"""How far whole compositions stray from what their elements say: the spread of their own weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bandit.features import RowArray
    from bandit.fm import FloatArray
    from bandit.posterior import Posterior

GRID_RANGE, GRID_SIZE = 30.0, 60
"""Spreads that are tried: from 1/30 to 30 of the first one, in equal ratios."""

QUANTILE = 0.8
"""Of the spread's posterior. Too small a spread ends the trying of compositions, and so all evidence that it
was too small; too large a one costs some clicks and mends."""


def composition_spread(
    rows: slice, elements: RowArray, origin: Posterior, prior: Posterior, belief: Posterior
) -> float:
    """Estimates the spread of the weights of compositions `rows`, made up of the rows `elements` (n, S).

    The evidence is the belief without its prior. Compositions that were never shown say nothing; where none
    was, the spread stays what it is.

    Args:
        origin, prior, belief: first prior, prior of the belief, and belief.
    """
    loc, scale, prior_scale = belief.loc.linear[rows], belief.scale.linear[rows], prior.scale.linear[rows]
    precision = np.maximum(scale**-2.0 - prior_scale**-2.0, 0.0)
    known = precision > 1e-9 * prior_scale**-2.0
    if not known.any():
        return float(prior_scale[0])
    shown = elements[known]
    present, columns = np.unique(shown, return_inverse=True)
    design = np.zeros((len(shown), present.size))
    np.put_along_axis(design, columns.reshape(shown.shape), 1.0, axis=1)
    added_up = loc[known] / scale[known] ** 2 / precision[known] + belief.loc.linear[shown].sum(axis=1)
    first = float(origin.scale.linear[rows.start]), float(origin.scale.linear[shown[0, 0]])
    return residual_spread(added_up, precision[known], design, first)


def residual_spread(
    log_odds: FloatArray, precision: FloatArray, design: FloatArray, first: tuple[float, float]
) -> float:
    """Estimates how far compositions stray from what their elements add up to: a quantile of τ's posterior.

    The log odds y of a composition are known up to 1/√h, and with all weights integrated out

        y ~ N(0, diag(τ² + 1/h) + 9 · 11ᵀ + λ² X Xᵀ),    τ ~ half-Cauchy(τ₀),

    on a grid of τ. EM, which suits a field of a few well-known weights, hardly moves where each weight is
    hardly known; and fitted elements have swallowed part of what their compositions did.

    Args:
        log_odds, precision: y and h, (n,) each.
        design: X (n, P), 1 for the elements that make up a composition.
        first: τ₀, and λ, the first deviation of an element's weight.

    Source: Patterson and Thompson (1971), Recovery of inter-block information when block sizes are unequal;
    Gelman (2006), Prior distributions for variance parameters in hierarchical models, section 3.2.
    """
    start, spread = first
    full = np.column_stack([np.ones(log_odds.size), design])
    prior = np.diag(np.append(1.0 / 9.0, np.full(design.shape[1], spread**-2.0)))
    grid = start * np.geomspace(1.0 / GRID_RANGE, GRID_RANGE, GRID_SIZE)
    fit = np.empty(GRID_SIZE)
    for number, tau in enumerate(grid):
        weights = 1.0 / (tau**2 + 1.0 / precision)
        root = np.linalg.cholesky(prior + (full.T * weights) @ full)
        explained = np.linalg.solve(root, full.T @ (weights * log_odds))
        log_determinant = 2.0 * np.log(np.diag(root)).sum() - np.log(weights).sum()
        fit[number] = -0.5 * (log_determinant + weights @ np.square(log_odds) - explained @ explained)
    # Of equal steps in log τ the half-Cauchy gives each τ / (τ² + τ₀²).
    fit += np.log(grid / (grid**2 + start**2))
    mass = np.cumsum(np.exp(np.maximum(fit - fit.max(), -700.0)))
    return float(np.interp(QUANTILE * mass[-1], mass, grid))
