"""The problems that the solver's benchmarks are run on, by family; each cell has its own seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.solver import SlateProblem
from ranker.solver import instances as nasty_families
from ranker.solver.instances import typical_use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ranker.solver.arrays import Floats

Cell = tuple[int, int, int]
"""n, K, k."""

FAMILIES = ("uniform", "gaussian", "ads", "yow_like", "nasty")

NASTY = (
    nasty_families.integers,
    nasty_families.duplicates,
    nasty_families.collinear,
    nasty_families.mixed_scales,
)

YOW_SHARES = (0.2, 0.15, -0.2, -0.2, -0.2, -0.2, -0.2, 0.02)
"""Limits in shares of attention of the YOW experiment of Tkachenko, Dhaouadi and Jedidi (arXiv 2202.07088).

At most where positive, at least where negative. The data are ours: only the limits are theirs.
"""


def problems(family: str, cell: Cell, count: int) -> Iterator[SlateProblem]:
    """Yields so many problems of a family; the same ones each time."""
    rng = np.random.default_rng([FAMILIES.index(family), *cell])
    for index in range(count):
        yield problem(family, rng, cell, index)


def problem(family: str, rng: np.random.Generator, cell: Cell, index: int) -> SlateProblem:
    """Returns the next problem of the family."""
    n, num_limits, k = cell
    attention = 1.0 / np.log2(2.0 + np.arange(k))
    if family == "uniform":
        value, weights = rng.random(n), rng.random((num_limits, n))
        limits = 0.8 * weights.mean(axis=1) * attention.sum()
    elif family == "gaussian":
        value, weights = rng.normal(size=n), rng.normal(size=(num_limits, n))
        limits = np.full(num_limits, -0.2 * attention.sum())
    elif family == "ads":
        value, weights, limits = ads(rng, n, num_limits)
        limits = limits * attention.sum()
    elif family == "yow_like":
        value, weights, limits = yow_like(rng, n, num_limits)
        limits = limits * attention.sum()
    else:
        value, weights = NASTY[index % len(NASTY)](rng, n, num_limits)
        use, spread = typical_use(rng, weights, attention)
        limits = use - 0.1 * spread
    return SlateProblem(value, weights, limits, attention)


def ads(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats, Floats]:
    """Returns value, weights and limits per unit of attention, in turn of three kinds.

    A topic gets at least a tenth; the average quality, which falls with the value, at least its mean; and a
    format at most three tenths.
    """
    value = rng.lognormal(sigma=1.0, size=n)
    standing = (np.argsort(np.argsort(value)) + 0.5) / n
    weights, limits = np.empty((num_limits, n)), np.empty(num_limits)
    for q in range(num_limits):
        if q % 3 == 0:
            weights[q], limits[q] = -1.0 * (rng.random(n) < 0.2), -0.1
        elif q % 3 == 1:
            weights[q], limits[q] = -(0.5 * (1.0 - standing) + 0.5 * rng.random(n)), -0.5
        else:
            weights[q], limits[q] = rng.random(n) < 0.5, 0.3
    return value, weights, limits


def yow_like(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats, Floats]:
    """Returns ratings, memberships of topics, and the limits of the YOW experiment, in turn."""
    value = np.clip(rng.normal(3.2, 1.0, n), 1.0, 5.0)
    shares = np.array([YOW_SHARES[q % len(YOW_SHARES)] for q in range(num_limits)])
    member = rng.random((num_limits, n)) < np.where(shares == 0.02, 0.1, 0.35)[:, None]
    return value, np.sign(shares)[:, None] * member, shares
