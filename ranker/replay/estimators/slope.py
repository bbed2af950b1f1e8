"""SLOPE: chooses an estimator's parameter from the log itself.

Source: Su, Srinath and Krishnamurthy (2020), "Adaptive estimator selection for off-policy evaluation";
without the monotone bias it asks for, as Tucker and Lee (2021), "Improved estimator selection for off-policy
evaluation".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import stdtrit

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

_FACTOR = np.sqrt(6) - 1


def slope(values: Floats, widths: Floats) -> int:
    """Return the index of the estimate to take, of estimates `(m,)` with half-widths `(m,)`.

    From the widest to the narrowest, the last one that still agrees with all before it:
    |θᵢ − θⱼ| ≤ widthᵢ + (√6 − 1)·widthⱼ for every wider j.
    """
    if values.shape != widths.shape or values.ndim != 1 or values.size == 0:
        raise InvalidInputError("values.shape", values.shape, f"must be (m,), as widths: {widths.shape}")
    order = np.argsort(widths)[::-1]
    for rank in range(1, order.size):
        before, this = order[:rank], order[rank]
        if (np.abs(values[before] - values[this]) > widths[this] + _FACTOR * widths[before]).any():
            return int(order[rank - 1])
    return int(order[-1])


def student_width(terms: Floats, error: float = 0.05) -> float:
    """Return t₁₋δ(n − 1)·√(σ̂² / (n − 1)): how far the mean of `terms` `(n,)` may lie above the truth."""
    n = terms.size
    if n < 2:
        raise InvalidInputError("terms.shape", terms.shape, "must be (n,) with at least two")
    return float(stdtrit(n - 1, 1 - error) * np.sqrt(terms.var() / (n - 1)))


def tune(parameters: tuple[float, ...], terms_of: Callable[[float], Floats]) -> float:
    """Return the parameter whose estimate, the mean of `terms_of(parameter)`, `slope` takes."""
    terms = [terms_of(parameter) for parameter in parameters]
    values = np.array([t.mean() for t in terms])
    return parameters[slope(values, np.array([student_width(t) for t in terms]))]
