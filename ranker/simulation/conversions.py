"""Conversions: which clicks lead to one, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from scipy.special import ndtri

from ranker.simulation.visits import DAY_SECONDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.parameters import Delays
    from ranker.simulation.scenario import Behaviour
    from ranker.simulation.streams import Streams
    from ranker.simulation.visits import Visits

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Bools: TypeAlias = NDArray[np.bool_]

MINUTE_SECONDS = 60.0
_DRAWS = 3
_RATE_SCALE = 0.5  # standard deviation of the log rate between ads
_EDGE = 1e-12


class Conversions(Protocol):
    """Decides what becomes of clicks."""

    def times(self, visits: Visits, ads: Ints, clicked: Bools) -> Floats:
        """Returns when each shown ad `(B, k)` converts, in seconds of the run; infinity for never."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class DelayedConversions:
    """A click converts at its ad's rate; the delay is a mixture of log-normals of minutes + 1."""

    streams: Streams
    rate: Floats  # (ads,)
    weights: Floats  # (components,)
    log_means: Floats
    log_scales: Floats
    late_share: float = 0.0
    late_tail: float = 1.0

    @staticmethod
    def of(streams: Streams, num_ads: int, behaviour: Behaviour, delays: Delays) -> DelayedConversions:
        """Returns conversions whose rates differ between ads around the scenario's."""
        effect = _RATE_SCALE * streams.generator("conversion rate").standard_normal(num_ads)
        rates = np.minimum(behaviour.conversion_rate * np.exp(effect - _RATE_SCALE**2 / 2), 1.0)
        return DelayedConversions(
            streams, rates,
            np.array(delays.weights), np.array(delays.log_means), np.array(delays.log_scales),
            behaviour.late_share, behaviour.late_tail,
        )  # fmt: skip

    def times(self, visits: Visits, ads: Ints, clicked: Bools) -> Floats:
        """Returns when each shown ad `(B, k)` converts, in seconds of the run; infinity for never."""
        k = ads.shape[1]
        times = np.full(ads.shape, np.inf)
        rows = clicked.any(axis=1)
        u = self.streams.uniforms("conversion", visits.number[rows], _DRAWS * k)
        converts, component, size = u[:, :k], u[:, k : 2 * k], u[:, 2 * k :]
        delay = delay_seconds(self.weights, self.log_means, self.log_scales, component, size)
        late = self.streams.uniforms("late conversion", visits.number[rows], 2 * k)
        days = late_days(late[:, k:], self.late_tail)
        delay = np.where(late[:, :k] < self.late_share, DAY_SECONDS * days, delay)
        happens = clicked[rows] & (converts < self.rate[ads[rows]])
        times[rows] = np.where(happens, visits.seconds[rows, None] + delay, np.inf)
        return times


def late_days(u: Floats, tail: float) -> Floats:
    """Returns days of the Pareto law P(more than d) = d^(−tail), d ≥ 1, of uniforms: (1 − u)^(−1/tail)."""
    days: Floats = (1.0 - u) ** (-1.0 / tail)
    return days


def delay_seconds(
    weights: Floats, log_means: Floats, log_scales: Floats, component: Floats, size: Floats
) -> Floats:
    """Returns delays of the uniforms' shape: 60·(exp(μ_c + σ_c Φ⁻¹(u)) − 1), not below 0."""
    c = np.minimum(np.searchsorted(np.cumsum(weights), component, side="right"), len(weights) - 1)
    z = ndtri(np.clip(size, _EDGE, 1 - _EDGE))
    delays: Floats = MINUTE_SECONDS * np.maximum(np.expm1(log_means[c] + log_scales[c] * z), 0.0)
    return delays
