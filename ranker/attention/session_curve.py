"""The attention curve of a model of whole sessions, with a bootstrap over sessions for its intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from ranker.attention.curve import Curve
from ranker.attention.dbn import fit_dbn
from ranker.attention.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ranker.attention.chain import Chain
    from ranker.attention.click_log import Sessions

    Floats: TypeAlias = NDArray[np.float64]

RESAMPLE_TOLERANCE = 1e-6


class Fit(Protocol):
    """Fits a model to weighted sessions."""

    def __call__(self, sessions: Sessions, weights: Floats, *, prior_impressions: float = 0.0) -> Chain:
        """Returns the model of sessions (s, k) counted with weights (s,)."""
        ...


def session_curve(
    fit: Fit,
    sessions: Sessions,
    rng: np.random.Generator,
    *,
    resampling: tuple[float, int] = (0.95, 100),
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Curve:
    """Returns the mean of P(position j is looked at) over the sessions that show j, relative to the first.

    In these models attention depends on what stands above: the curve is that of the logged slates.
    `resampling` is (level, number of resamples). Intervals: percentiles over resamples of whole sessions,
    each counted Poisson(1) times, so that clicks of one session may depend on each other.
    Source: Efron (1979), "Bootstrap methods"; Hanley and MacGibbon (2006), "Creating non-parametric
    bootstrap samples using Poisson frequencies".
    """
    level, num_resamples = resampling
    distinct, count = _distinct(sessions)
    model = fit(distinct, count)
    curves = np.empty((num_resamples, sessions.items.shape[1]))
    for b in range(num_resamples):
        weights = rng.poisson(count).astype(np.float64)  # a sum of Poisson(1) draws
        curves[b] = _mean_examination(_refit(fit, model, distinct, weights), distinct, weights)
        progress(b + 1, num_resamples)
    attention = _mean_examination(model, distinct, count)
    low, high = np.quantile(curves, ((1 - level) / 2, (1 + level) / 2), axis=0)
    reached = evaluate(model, sessions).log_likelihood * len(sessions.items)
    return Curve(
        attention,
        np.minimum(low, attention),
        np.maximum(high, attention),
        sessions.shown.sum(axis=0).astype(np.float64),
        sessions.clicks.sum(axis=0).astype(np.float64),
        reached if np.isfinite(reached) else None,
        model.converged,
    )


def _refit(fit: Fit, model: Chain, sessions: Sessions, weights: Floats) -> Chain:
    if model.name == "dbn":  # near the first answer already, and no sharper than the resample is
        return fit_dbn(sessions, weights, start=model, tolerance=RESAMPLE_TOLERANCE)
    return fit(sessions, weights)


def _distinct(sessions: Sessions) -> tuple[Sessions, Floats]:
    """Returns each different session once, and how often it occurs."""
    rows = np.concatenate([sessions.items, sessions.clicks.astype(np.int64)], axis=1)
    _, first, count = np.unique(rows, axis=0, return_index=True, return_counts=True)
    return sessions.rows(first), count.astype(np.float64)


def _mean_examination(model: Chain, sessions: Sessions, weights: Floats) -> Floats:
    looked_at = weights @ model.examination(sessions.items)
    curve: Floats = looked_at / np.maximum(weights @ sessions.shown.astype(np.float64), 1e-300)
    curve /= curve[0]
    return curve
