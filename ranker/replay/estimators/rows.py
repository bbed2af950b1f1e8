"""What every estimator asks of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]


def check_rows(rewards: Floats, weights: Floats) -> None:
    """Raise `InvalidInputError` unless there is one finite reward and one weight ≥ 0 a row."""
    if rewards.ndim != 1 or rewards.size == 0:
        raise InvalidInputError("rewards.shape", rewards.shape, "must be (n,) with at least one row")
    check_column("rewards", rewards, rewards.shape)
    check_column("weights", weights, rewards.shape)
    if (weights < 0).any():
        i = int(np.argmax(weights < 0))
        raise InvalidInputError(f"weights[{i}]", float(weights[i]), "must not be negative")


def check_column(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    """Raise `InvalidInputError` unless `values` has this shape and is finite."""
    if values.shape != shape:
        raise InvalidInputError(f"{name}.shape", values.shape, f"must be one a row: {shape}")
    bad = ~np.isfinite(values)
    if bad.any():
        i = np.unravel_index(int(np.argmax(bad)), shape)
        where = ", ".join(map(str, map(int, i)))
        raise InvalidInputError(f"{name}[{where}]", float(values[i]), "must be finite")


def check_positive(name: str, value: float) -> None:
    """Raise `InvalidInputError` unless `value` is above 0 (infinity included)."""
    if not value > 0:
        raise InvalidInputError(name, value, "must be positive")
