"""Clicks that are still on their way: how much of an impression's answer has arrived at its age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandit.errors import CreativeError

if TYPE_CHECKING:
    from bandit.fm import FloatArray


@dataclass(frozen=True)
class CompletionCurve:
    """F(a): the chance that a click comes within age a, given that it comes within the window.

    delays (n,): ascending, seconds; shares (n,): F at each of them, the last one 1. No click was seen later
    than the last delay, so F is 1 from there on.
    """

    delays: FloatArray
    shares: FloatArray

    def __post_init__(self) -> None:
        if self.delays.shape != self.shares.shape or self.delays.ndim != 1:
            raise CreativeError("shares", self.shares.shape, f"must be {self.delays.shape}, one axis")

    def __call__(self, ages: FloatArray) -> FloatArray:
        """Reads F at ages (…); without a single click seen nothing is known to be late: 1."""
        if not self.delays.size:
            return np.ones_like(ages, np.float64)
        steps = np.concatenate([[0.0], self.shares])
        arrived: FloatArray = steps[np.searchsorted(self.delays, ages, side="right")]
        return arrived


def completion_curve(delays: FloatArray, ages: FloatArray) -> CompletionCurve:
    """Estimates F from clicks that were seen, although slow clicks of young impressions are not seen yet.

    A click of delay d is in the sample only if its impression is older than d now. Backwards in time, with
    n(t) clicks of delay ≤ t whose impressions are at least t old, d(t) of them with delay t,

        F(s) = Π_{t > s} (1 − d(t)/n(t)).

    Source: Lynden-Bell (1971), A method of allowing for known observational selection, equation 9; Woodroofe
    (1985), Estimating a distribution function with truncated data, equation 4.

    Args:
        delays: of each seen click after its impression, seconds: (n,).
        ages: of their impressions now, (n,).

    Raises:
        CreativeError: a delay is negative, or longer than the age.
    """
    if delays.shape != ages.shape:
        raise CreativeError("ages", ages.shape, f"must be {delays.shape}")
    wrong = np.flatnonzero(~((delays >= 0.0) & (delays <= ages) & np.isfinite(ages)))
    if wrong.size:
        raise CreativeError(f"delays[{wrong[0]}]", float(delays[wrong[0]]), "must be from 0 to the age")
    times, counts = np.unique(delays, return_counts=True)
    at_risk = np.cumsum(counts) - np.searchsorted(np.sort(ages), times, side="left")
    # A lone oldest click says nothing of earlier ones: where all at risk came now, F would be 0 before.
    survivors = np.where(at_risk > counts, 1.0 - counts / at_risk, 1.0)
    shares = np.cumprod(survivors[::-1])[::-1]
    return CompletionCurve(times, np.append(shares[1:], 1.0) if times.size else np.empty(0))
