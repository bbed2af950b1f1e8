"""An attention curve: attention by position relative to the first, with an interval each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtri

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.counts import Counts

    Floats: TypeAlias = NDArray[np.float64]


# Compared by identity: arrays have no truth value.
@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Attention aⱼ / a₀ and the interval of each; the first position is 1 by definition."""

    attention: Floats  # (k,)
    low: Floats  # (k,)
    high: Floats  # (k,)
    impressions: Floats  # (k,)
    clicks: Floats  # (k,)
    log_likelihood: float | None = None  # of the log; None: the method has no likelihood
    converged: bool = True  # False: the fit ran out of steps

    def __post_init__(self) -> None:
        k = len(self.attention)
        for name in ("attention", "low", "high", "impressions", "clicks"):
            values = getattr(self, name)
            if values.shape != (k,) or k == 0:
                raise InvalidInputError(
                    f"curve.{name}.shape", values.shape, f"must be one a position: ({k},)"
                )
            if not np.isfinite(values).all():
                j = int(np.argmin(np.isfinite(values)))
                raise InvalidInputError(f"curve.{name}[{j}]", float(values[j]), "must be finite")
        if (self.attention <= 0).any():
            j = int(np.argmax(self.attention <= 0))
            raise InvalidInputError(f"curve.attention[{j}]", float(self.attention[j]), "must be positive")
        outside = (self.low > self.attention) | (self.attention > self.high)
        if outside.any():
            j = int(np.argmax(outside))
            raise InvalidInputError(
                f"curve.attention[{j}]",
                float(self.attention[j]),
                f"must lie in its interval {self.low[j]:g}..{self.high[j]:g}",
            )

    @property
    def non_increasing(self) -> bool:
        """Returns whether no position gets more attention than the one before it."""
        return bool((np.diff(self.attention) <= 0).all())


def curve_from_log_attention(
    log_attention: Floats, covariance: Floats, counts: Counts, level: float
) -> Curve:
    """Returns the curve of log attention (k,) with covariance (k, k): the delta method on the log scale.

    aⱼ/a₀ = exp(αⱼ − α₀), interval exp(αⱼ − α₀ ± z·sd(αⱼ − α₀)).
    """
    relative = log_attention - log_attention[0]
    variance = np.diag(covariance) + covariance[0, 0] - 2 * covariance[0]
    reach = ndtri((1 + level) / 2) * np.sqrt(np.maximum(variance, 0.0))
    impressions, clicks = counts.by_position()
    return Curve(
        np.exp(relative),
        np.exp(relative - reach),
        np.exp(relative + reach),
        impressions,
        clicks,
    )


def non_increasing(curve: Curve) -> Curve:
    """Returns the curve projected on 1 = a₀ ≥ a₁ ≥ … ≥ 0, clicks as weights, on the log scale.

    The projection keeps order, so interval ends that enclose a non-increasing truth enclose it afterwards.
    Source: Barlow et al. (1972), "Statistical inference under order restrictions" (pooling of adjacent
    violators; a bound is met by cutting).
    """
    weights = np.maximum(curve.clicks, 1.0)[1:]

    def projected(values: Floats) -> Floats:
        if len(values) == 1:
            return values
        pooled = isotonic_regression(np.log(values[1:]), weights=weights, increasing=False).x
        return np.concatenate([values[:1], np.exp(np.minimum(pooled, 0.0))])

    attention = projected(curve.attention)
    # Rounding must not push an end past the middle.
    low, high = np.minimum(projected(curve.low), attention), np.maximum(projected(curve.high), attention)
    return replace(curve, attention=attention, low=low, high=high)
