"""A prior that is learned: each field's spread, and element means that follow the elements' features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandit.fm import Parameters
from bandit.posterior import Posterior
from bandit.residual import composition_spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bandit.features import RowGroup
    from bandit.fm import FloatArray

PSEUDO_COUNT = 4.0
"""Weights' worth of trust in the first spread: a slot of two elements cannot tell its own."""


def learned_prior(
    groups: Sequence[RowGroup], origin: Posterior, prior: Posterior, belief: Posterior
) -> Posterior:
    """Updates the prior that a belief was fitted under by what the belief tells about its groups.

    Each group g of rows has for its linear weights, and for its factors,

        θ_r ~ N(φ_r·β + ρ_r τ_g, τ_g²),    ρ = loc/scale of `origin`, the first prior,

    where ρ keeps factors off the saddle at zero. β_j is the generalised least squares fit of column j to the
    evidence (the belief without its prior), shrunk by β ~ N(0, τ₀²/P); the spread is one step of EM,

        τ² n + τ Σ ρ e − Σ (e² + s²) = 0  with e = m − φ·β, over rows with evidence and 4 like `origin`.

    A row without evidence, such as a new element, gets the predictive variance τ² + φᵀ Cov(β) φ, and on top
    of its mean what its siblings have in common: for those the rest of the machine could hold it as well.
    Compositions have mean 0 and the spread of `bandit.residual`.

    Source: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data, section 4.5; Gelman et
    al. (2013), Bayesian Data Analysis, section 15.4 (regression of group means).

    Args:
        groups: every row in one of them.
        origin, prior, belief: first prior, prior of the belief, and belief, about the same rows.
    """
    parts = [_kinds(x) for x in (belief.loc, belief.scale, prior.loc, prior.scale, origin.loc, origin.scale)]
    loc, scale = _kinds(prior.loc), _kinds(prior.scale)
    for group in groups:
        rows = slice(group.start, group.stop)
        if group.elements is not None:
            scale[0][rows] = composition_spread(rows, group.elements, origin, prior, belief)
            continue
        for kind in range(2):
            blocks = [part[kind][rows] for part in parts]
            loc[kind][rows], scale[kind][rows] = _learned_block(group.design, blocks[:4], blocks[4:])
    return Posterior(
        Parameters(prior.loc.bias, loc[0][:, 0], loc[1]),
        Parameters(prior.scale.bias, scale[0][:, 0], scale[1]),
    )


def _learned_block(
    design: FloatArray, blocks: Sequence[FloatArray], first: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Returns the prior's loc and scale (n, J) for one group's weights of one kind."""
    loc, scale, prior_loc, prior_scale = blocks
    offset = first[0] / first[1]
    precision = np.maximum(scale**-2.0 - prior_scale**-2.0, 0.0)
    known = precision > 1e-9 * prior_scale**-2.0
    if not known.any():
        return prior_loc, prior_scale
    tau = float(np.median(prior_scale[known]))
    evidence = np.divide(
        loc / scale**2 - prior_loc / prior_scale**2, precision, out=np.zeros_like(loc), where=known
    )
    mean, variance = _regressed(design, evidence - offset * tau, precision, (tau, first[1].max()))
    error = loc - mean
    count = known.sum() + PSEUDO_COUNT
    square = np.sum(np.square(error) + np.square(scale), where=known) + PSEUDO_COUNT * first[1].max() ** 2
    slope = np.sum(offset * error, where=known)
    tau = (-slope + np.sqrt(slope**2 + 4.0 * count * square)) / (2.0 * count)
    novelty = 1.0 / (1.0 + precision * tau**2)
    common = np.sum(error - offset * tau, axis=0, where=known) / (1.0 + known.sum(axis=0))
    return mean + offset * tau + novelty * common, np.sqrt(tau**2 + novelty * variance)


def _regressed(
    design: FloatArray, targets: FloatArray, precision: FloatArray, scales: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Predicts each weight from its element's features: mean and variance (n, J).

    targets, precision: (n, J); scales: τ of the weights around the prediction, τ₀ of the first prior.
    """
    num_features = design.shape[1]
    if not num_features:
        return np.zeros_like(targets), np.zeros_like(targets)
    tau, first = scales
    weights = precision / (1.0 + precision * tau**2)
    moments = np.einsum("np,nj,nq->jpq", design, weights, design) + np.eye(num_features) * (
        num_features / first**2
    )
    covariance = np.linalg.inv(moments)
    coefficients = np.einsum("jpq,nq,nj->pj", covariance, design, weights * targets)
    return design @ coefficients, np.einsum("np,jpq,nq->nj", design, covariance, design)


def _kinds(parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Lists linear weights as (D, 1), and factors (E, K): copies."""
    return parameters.linear[:, None].copy(), parameters.factors.copy()
