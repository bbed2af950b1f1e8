"""Random problems, from easy to nasty, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ranker.solver.problem import SlateProblem
from ranker.solver.request import FREE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.solver.arrays import Floats

    Family = Callable[[np.random.Generator, int, int], tuple[Floats, Floats]]


def uniform(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns value `(n,)` and weights `(K, n)` in [0, 1)."""
    return rng.random(n), rng.random((num_limits, n))


def gaussian(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns value and weights of both signs."""
    return rng.normal(size=n), rng.normal(size=(num_limits, n))


def ads(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns heavy-tailed values and weights that grow with them, so that each limit costs something."""
    value = rng.lognormal(sigma=1.0, size=n)
    return value, 0.5 * value / value.mean() + rng.lognormal(sigma=0.5, size=(num_limits, n))


def group_shares(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns weights that are 1 for the members of a sparse group, with signs for at least and at most."""
    member = rng.random((num_limits, n)) < rng.uniform(0.02, 0.5, (num_limits, 1))
    return rng.lognormal(size=n), member * rng.choice([-1.0, 1.0], (num_limits, 1))


def integers(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns small integers: ties everywhere."""
    return rng.integers(-2, 4, n).astype(float), rng.integers(-1, 3, (num_limits, n)).astype(float)


def duplicates(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns few distinct candidates, each many times."""
    source = rng.integers(0, max(n // 8, 1), n)
    return rng.random(n)[source], rng.random((num_limits, n))[:, source]


def collinear(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns rows that differ by next to nothing, from each other and from the value."""
    value = rng.random(n)
    noise = rng.choice([0.0, 1e-12, 1e-9, 1e-6, 1e-3], (num_limits, 1))
    return value, value * rng.choice([-1.0, 1.0, 2.0], (num_limits, 1)) + noise * rng.normal(
        size=(num_limits, n)
    )


def hollow(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns zero values, zero weights and zero rows."""
    value = rng.random(n) * (rng.random(n) < 0.5)
    weights = rng.normal(size=(num_limits, n)) * (rng.random((num_limits, n)) < 0.3)
    return value, weights * (rng.random((num_limits, 1)) < 0.7)


def mixed_scales(rng: np.random.Generator, n: int, num_limits: int) -> tuple[Floats, Floats]:
    """Returns rows on scales from 1e-9 to 1e9, and candidates within a row on different ones."""
    value = rng.normal(size=n) * 10.0 ** rng.uniform(-9, 9)
    weights = rng.normal(size=(num_limits, n)) * 10.0 ** rng.uniform(-9, 9, (num_limits, 1))
    return value, weights * 10.0 ** rng.choice([0.0, -3.0, -6.0], (num_limits, n))


FAMILIES: tuple[Family, ...] = (
    uniform,
    gaussian,
    ads,
    group_shares,
    integers,
    duplicates,
    collinear,
    hollow,
    mixed_scales,
)


def random_problem(seed: int, most: tuple[int, int, int] = (1000, 20, 50)) -> SlateProblem:
    """Returns problem `seed`, with n, K and k up to `most`, of any family, its limits loose to hopeless."""
    rng = np.random.default_rng(seed)
    n = int(np.exp(rng.uniform(0.0, np.log(most[0] + 1.0))))
    num_limits = int(rng.integers(0, most[1] + 1))
    k = n if n <= most[2] and rng.random() < 0.15 else int(rng.integers(1, min(n, most[2]) + 1))
    value, weights = FAMILIES[rng.integers(len(FAMILIES))](rng, n, num_limits)
    attention = random_attention(rng, k)
    use, spread = typical_use(rng, weights, attention)
    limits = use + spread * rng.choice([-1.0, -0.1, 0.0, 1e-9, 0.1, 1.0]) * rng.random(num_limits)
    price, lower = None, None
    if rng.random() < 0.3:
        price = np.where(rng.random(num_limits) < 0.5, np.inf, rng.lognormal(size=num_limits))
        size = np.abs(weights).max(axis=1)
        price *= (np.abs(value).max() or 1.0) / np.where(size > 0.0, size, 1.0)
    if rng.random() < 0.3:
        width = spread * rng.choice([0.0, 0.0, 1e-9, 0.5, 10.0], num_limits)
        lower = np.where(rng.random(num_limits) < 0.5, -np.inf, limits - width)
    return SlateProblem(value, weights, limits, attention, price, lower)


def with_structure(problem: SlateProblem, seed: int) -> SlateProblem:
    """Returns the problem with caps, pins or both, such that some slate at least obeys them."""
    rng = np.random.default_rng(seed)
    n, k = problem.num_candidates, problem.num_positions
    slate = rng.permutation(n)[:k]
    caps, groups, pinned = None, None, None
    if rng.random() < 0.8:
        num_groups = int(rng.integers(1, n // 2 + 2))
        groups = rng.integers(0, num_groups, n)
        caps = np.bincount(groups[slate], minlength=num_groups) + rng.integers(0, 2, num_groups)
    if caps is None or rng.random() < 0.5:
        pinned = np.where(rng.random(k) < rng.random(), slate, FREE)
    return replace(problem, groups=groups, caps=caps, pinned=pinned)


def random_attention(rng: np.random.Generator, k: int) -> Floats:
    """Returns an attention curve `(k,)`: logarithmic, geometric, constant or in steps."""
    curves = (
        1.0 / np.log2(2.0 + np.arange(k)),
        0.8 ** np.arange(k),
        np.ones(k),
        np.sort(rng.choice([0.25, 0.5, 1.0], k))[::-1],
    )
    return np.ascontiguousarray(curves[rng.integers(len(curves))])


def typical_use(rng: np.random.Generator, weights: Floats, attention: Floats) -> tuple[Floats, Floats]:
    """Returns the mean use of three random slates `(K,)`, and how far single ones lie from it."""
    slates = np.array([rng.permutation(weights.shape[1])[: attention.size] for _ in range(3)])
    use = weights[:, slates] @ attention
    return use.mean(axis=1), np.ptp(use, axis=1)
