"""Rivals of the factorization machine on listed worlds: our own compact versions of published policies."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.creatives_tables import Table

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]

POOL = 128
"""Draws a period: each impression takes one."""


class Uniform:
    """Shows any feasible creative."""

    def __init__(self, table: Table, seed: int) -> None:  # noqa: ARG002 — made like the others
        self.tables = [np.flatnonzero(row) for row in table.feasible]

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression."""
        return np.array([self.tables[i][rng.integers(len(self.tables[i]))] for i in items])

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Learns nothing."""


class Independent:
    """Thompson sampling with a Beta(1, 13) for each creative of each item, or for each creative alone."""

    def __init__(self, table: Table, seed: int, shared: bool = False) -> None:  # noqa: ARG002
        self.feasible = table.feasible
        self.shared = shared
        self.clicks, self.misses = np.full((2, *table.feasible.shape), 1.0)
        self.misses += 12.0

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression."""
        chosen = np.empty(items.size, np.int64)
        for part in np.array_split(np.arange(items.size), max(1, items.size // 500)):
            draws = rng.beta(self.clicks[items[part]], self.misses[items[part]])
            chosen[part] = np.where(self.feasible[items[part]], draws, -1.0).argmax(axis=1)
        return chosen

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Adds the counts."""
        where = slice(None) if self.shared else items
        for counts, values in ((self.clicks, clicks), (self.misses, 1.0 - clicks)):
            if self.shared:
                counts[where] += np.bincount(chosen, values, minlength=counts.shape[1])
            else:
                np.add.at(counts, (items, chosen), values)


class OneHot:
    """Thompson sampling with a Gaussian belief about one-hot weights; `pairs` adds pairs of fields, by PAIRS.

    Linear: regression of the click with A = 0.1 I + Σ x xᵀ, draws from N(A⁻¹ b, scale · A⁻¹); with
    scale = 0.005 this is the vertex model of Chen et al. (2021), with the edges of their tree their AES.
    Logistic: Laplace's approximation around the mode, standard deviations times `scale`.
    """

    def __init__(
        self,
        table: Table,
        seed: int,
        logistic: bool = False,
        scale: float = 0.005,
        pairs: str = "none",
    ) -> None:
        self.feasible, self.logistic, self.scale = table.feasible, logistic, scale
        columns = [table.rows[..., f].astype(np.int64) for f in range(table.rows.shape[-1])]
        size = int(table.rows.max()) + 1
        for f, g in PAIRS[pairs](table):
            pair = columns[f] * size + columns[g]
            distinct, number = np.unique(pair, return_inverse=True)
            columns.append(number.reshape(pair.shape) + size)
            size += distinct.size
        self.rows = np.stack([*columns, np.full(columns[0].shape, size)], axis=-1)
        self.size = size + 1
        self.impressions, self.clicks = np.zeros((2, *table.feasible.shape))
        self.mode: Floats = np.zeros(self.size)
        self.rng = np.random.default_rng([seed, 1])
        self.pool = self.fitted(POOL, self.scale)

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression, by one of the pool's draws."""
        chosen = np.empty(items.size, np.int64)
        draws = rng.integers(POOL, size=items.size)
        for item in np.unique(items):
            where = items == item
            scores = self.pool[self.rows[item]].sum(axis=1)
            winners = np.where(self.feasible[item][:, None], scores, -np.inf).argmax(axis=0)
            chosen[where] = winners[draws[where]]
        return chosen

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Adds the counts and makes a new pool."""
        np.add.at(self.impressions, (items, chosen), 1.0)
        np.add.at(self.clicks, (items, chosen), clicks)
        self.pool = self.fitted(POOL, self.scale)

    def fitted(self, num_draws: int, scale: float) -> Floats:
        """Fits the weights to the counts; returns draws of them, (D, num_draws)."""
        seen = self.impressions > 0
        rows, place = np.unique(self.rows[seen], axis=0, return_inverse=True)
        # `bincount` of no rows at all counts integers.
        n, k = (
            np.bincount(place.ravel(), x[seen], len(rows)).astype(np.float64)
            for x in (self.impressions, self.clicks)
        )
        design = np.zeros((len(rows), self.size))
        np.put_along_axis(design, rows, 1.0, axis=1)
        if self.logistic:
            self.mode, information = laplace(design, n, k, self.mode)
            root = scale
        else:
            information = 0.1 * np.eye(self.size) + (design * n[:, None]).T @ design
            self.mode = np.asarray(np.linalg.solve(information, design.T @ k), np.float64)
            root = np.sqrt(scale)
        # L Lᵀ = information, so L⁻ᵀ ε has its inverse for covariance.
        noise = self.rng.standard_normal((self.size, num_draws))
        draws: Floats = self.mode[:, None] + root * np.linalg.solve(np.linalg.cholesky(information).T, noise)
        return draws


def laplace(design: Floats, n: Floats, k: Floats, mode: Floats) -> tuple[Floats, Floats]:
    """Fits a logistic regression to k clicks of n by Newton steps from `mode`, at most one logit each.

    Prior: N(0, 0.3²) for each weight, N(0, 3²) for the last, the intercept. Returns: the mode (D,) and the
    information there, Λ + Xᵀ diag(n p (1 − p)) X.
    """
    precision = np.full(mode.size, 1.0 / 0.3**2)
    precision[-1] = 1.0 / 9.0
    for _ in range(25):
        p = 1.0 / (1.0 + np.exp(-design @ mode))
        information = np.diag(precision) + (design * (n * p * (1.0 - p))[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (k - n * p) - precision * mode)
        longest = float(np.abs(design @ step).max(initial=0.0))
        mode = mode + step / max(1.0, longest)
        if longest < 1e-6:
            break
    return mode, information


def _context_pairs(table: Table) -> list[tuple[int, int]]:
    fields = table.rows.shape[-1]
    first = fields - len(table.creatives[0])
    return [(f, g) for f in range(first) for g in range(first, fields)]


PAIRS: dict[str, Callable[[Table], list[tuple[int, int]]]] = {
    "none": lambda _: [],
    "tree": lambda _: [(0, 2), (2, 3)],
    "context": _context_pairs,
    "all": lambda table: list(combinations(range(table.rows.shape[-1]), 2)),
}
"""Pairs of columns with weights of their own; tree: of AES, text colour on the background, font on text."""
