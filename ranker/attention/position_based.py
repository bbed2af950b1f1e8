"""The position-based model: an item is clicked when its position is looked at and the item attracts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.attention.click_log import NO_ITEM
from ranker.attention.counts import aggregate
from ranker.attention.curve import curve_from_log_attention
from ranker.attention.identification import require_identified
from ranker.attention.position_based_kernels import (
    best_attractiveness,
    em_step,
    log_likelihood,
    profile,
)
from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.click_log import ClickLog, Sessions
    from ranker.attention.counts import Counts
    from ranker.attention.curve import Curve
    from ranker.attention.position_based_kernels import Cells

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

NUM_EM_STEPS = 10
NO_PRIOR = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class FitSettings:
    """When a fit stops, and how much is assumed of an item before its first impression."""

    max_steps: int = 500
    # Stop where the remaining gain of log-likelihood is predicted below this: at 1e-8 the curve is within
    # 1.4e-4 standard errors of the maximum in every direction.
    tolerance: float = 1e-8
    # Impressions at the mean attractiveness that every item is given after attention has been fitted:
    # for predictions about rare items. 0: none.
    prior_impressions: float = 0.0

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise InvalidInputError("settings.max_steps", self.max_steps, "must be at least 1")
        if not 0 < self.tolerance < 1:
            raise InvalidInputError("settings.tolerance", self.tolerance, "must lie between 0 and 1")
        if not 0 <= self.prior_impressions < np.inf:
            raise InvalidInputError(
                "settings.prior_impressions", self.prior_impressions, "must be finite, not negative"
            )


@dataclass(frozen=True, slots=True)
class PositionBased:
    """P(click on i at j) = a_j·γ_i, whatever else is clicked.

    Source: Richardson, Dominowska and Ragno (2007), "Predicting clicks: estimating the click-through rate
    for new ads"; Craswell et al. (2008), "An experimental comparison of click position-bias models".
    """

    attention: Floats  # (k,), largest = 1
    attractiveness: Floats  # (num_items,), P(click | looked at) if looked at means at the best position
    covariance: Floats  # (k, k), of log attention
    log_likelihood: float  # of the log, before the prior
    num_steps: int
    converged: bool
    name: str = "pbm"

    def examination(self, items: Ints) -> Floats:
        """Returns (s, k): the attention of each position."""
        return np.where(items == NO_ITEM, 0.0, self.attention[: items.shape[1]])

    def click_probabilities(self, items: Ints) -> Floats:
        """Returns (s, k): a_j·γ_i."""
        return self.examination(items) * self.attractiveness[items]

    def conditional_click_probabilities(self, sessions: Sessions) -> Floats:
        """Returns (s, k): the same, because clicks do not depend on each other in this model."""
        return self.click_probabilities(sessions.items)


def fit_position_based(
    log: ClickLog, settings: FitSettings | None = None, *, num_items: int | None = None
) -> PositionBased:
    """Returns the maximum-likelihood model of a log; `num_items` where more items are known than it shows.

    Raises NotIdentifiedError where the log does not compare all positions.
    """
    counts = aggregate(log, num_items=num_items)
    require_identified(counts)
    return maximise(counts, settings or FitSettings())


def maximise(counts: Counts, settings: FitSettings) -> PositionBased:
    """Returns the maximum of Σ c·log(a·γ) + (n − c)·log(1 − a·γ), by Newton after a few steps of EM.

    The likelihood is concave in (log a, log γ), so that there is one maximum; γ is eliminated item by item.
    A Newton step that would lower the likelihood is halved, and replaced by EM steps, which never lower it,
    where halving does not help. The largest attention stays 1. Stops where ½·scoreᵀ·I⁻¹·score ≤ tolerance.
    """
    cells = (counts.starts, counts.position, counts.impressions, counts.clicks)
    mean = float(counts.clicks.sum() / counts.impressions.sum())
    attention, gamma = np.ones(counts.num_positions), np.full(counts.num_items, mean)
    _em_steps(cells, attention, gamma)
    converged, step = False, 0
    while not converged and step < settings.max_steps:
        step += 1
        best_attractiveness(cells, attention, gamma, NO_PRIOR)
        score, information = profile(cells, attention, gamma)
        covariance = _inverse(information, attention)
        direction = covariance @ score
        converged = bool(score @ direction / 2 <= settings.tolerance)
        if not converged:
            attention, gamma = _line_search(cells, attention, gamma, direction)
    best_attractiveness(cells, attention, gamma, NO_PRIOR)
    reached = log_likelihood(cells, attention, gamma)
    mean = min(float(counts.clicks.sum() / (counts.impressions @ attention[counts.position])), 1.0)
    gamma[np.diff(counts.starts) == 0] = mean
    strength = settings.prior_impressions
    best_attractiveness(cells, attention, gamma, (strength * mean, strength * (1 - mean)))
    return PositionBased(attention, gamma, covariance, reached, step, converged)


def position_based_curve(counts: Counts, settings: FitSettings, *, level: float = 0.95) -> Curve:
    """Returns the curve with delta-method intervals from the observed information.

    Raises NotIdentifiedError where the log does not compare all positions.
    """
    require_identified(counts)
    model = maximise(counts, settings)
    curve = curve_from_log_attention(np.log(model.attention), model.covariance, counts, level)
    return replace(curve, log_likelihood=model.log_likelihood, converged=model.converged)


def _inverse(information: Floats, attention: Floats) -> Floats:
    """Returns I⁻¹ (k, k) with the row and column of the largest attention, which stays 1, at zero."""
    free = np.arange(len(attention)) != np.argmax(attention)
    inverse = np.zeros_like(information)
    inverse[np.ix_(free, free)] = np.linalg.pinv(information[np.ix_(free, free)], hermitian=True)
    return inverse


def _em_steps(cells: Cells, attention: Floats, gamma: Floats) -> None:
    """Takes EM steps in place, then moves the common scale so that the largest attention is 1."""
    for _ in range(NUM_EM_STEPS):
        em_step(cells, attention, gamma)
    attention /= attention.max()


def _line_search(cells: Cells, attention: Floats, gamma: Floats, direction: Floats) -> tuple[Floats, Floats]:
    now = log_likelihood(cells, attention, gamma)
    size = 1.0
    while size > 1e-4:
        moved = np.exp(np.clip(size * direction, -2.0, 2.0)) * attention
        moved, best = moved / moved.max(), gamma.copy()
        best_attractiveness(cells, moved, best, NO_PRIOR)
        if log_likelihood(cells, moved, best) > now:
            return moved, best
        size /= 2
    _em_steps(cells, attention, gamma)
    return attention, gamma
