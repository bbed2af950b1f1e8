"""Several policies at once: how to look at all of them without fooling oneself."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]


def holm(p_values: Floats) -> Floats:
    """Return adjusted p-values `(m,)`: those ≤ α are right together with probability ≥ 1 − α.

    p̃₍ᵢ₎ = max over j ≤ i of (m − j + 1)·p₍ⱼ₎, at most 1. Source: Holm (1979), "A simple sequentially
    rejective multiple test procedure".
    """
    _check_range("p_values", p_values, 1.0)
    order = np.argsort(p_values, kind="stable")
    m = p_values.size
    stepped = np.maximum.accumulate((m - np.arange(m)) * p_values[order])
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def e_benjamini_hochberg(e_values: Floats, level: float = 0.95) -> NDArray[np.bool_]:
    """Return which of m nulls are rejected: expected false share ≤ 1 − level, however the e-values depend.

    The k̂ largest with k̂ = max{k : e₍ₖ₎ ≥ m / (k·α)}. Capitals of confidence sequences are e-values at any
    time.
    Source: Wang and Ramdas (2022), "False discovery rate control with e-values", section 4.
    """
    _check_range("e_values", e_values, np.inf)
    m = e_values.size
    falling = np.sort(e_values)[::-1]
    enough = falling >= m / (np.arange(1, m + 1) * (1 - level))
    count = int(np.flatnonzero(enough)[-1]) + 1 if enough.any() else 0
    rejected: NDArray[np.bool_] = np.zeros(m, dtype=bool)
    rejected[np.argsort(-e_values, kind="stable")[:count]] = True
    return rejected


def simultaneous_intervals(values: Floats, resampled: Floats, level: float = 0.95) -> tuple[Interval, ...]:
    """Return an interval a policy such that all cover together, from their common bootstrap `(B, m)`.

    vᵢ ± c·sᵢ with c the `level` quantile of maxᵢ |v*ᵢ − vᵢ| / sᵢ and sᵢ the bootstrap's standard deviation.
    Source: Romano and Wolf (2005), "Exact and approximate stepdown methods for multiple hypothesis testing".
    """
    if resampled.ndim != 2 or resampled.shape[1] != values.size:
        raise InvalidInputError("resampled.shape", resampled.shape, f"must be (B, {values.size})")
    spread = resampled.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    widest = np.quantile(np.max(np.abs(resampled - values) / scale, axis=1), level)
    return tuple(
        Interval(float(v - widest * s), float(v + widest * s)) for v, s in zip(values, spread, strict=True)
    )


def _check_range(name: str, values: Floats, largest: float) -> None:
    if values.ndim != 1 or values.size == 0:
        raise InvalidInputError(f"{name}.shape", values.shape, "must be (m,) with at least one")
    bad = ~((values >= 0) & (values <= largest))
    if bad.any():
        i = int(np.argmax(bad))
        raise InvalidInputError(f"{name}[{i}]", float(values[i]), f"must lie in [0, {largest:g}]")
