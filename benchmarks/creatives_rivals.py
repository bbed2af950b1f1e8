"""Rivals of the factorization machine on listed worlds: our own compact versions of published policies."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
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
    """Thompson sampling with a Gaussian belief about one-hot weights; `edges` adds the pairs of fields named.

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
        edges: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.feasible, self.logistic, self.scale = table.feasible, logistic, scale
        columns = [table.rows[..., f].astype(np.int64) for f in range(table.rows.shape[-1])]
        size = int(table.rows.max()) + 1
        for f, g in edges:
            pair = columns[f] * size + columns[g]
            distinct, number = np.unique(pair, return_inverse=True)
            columns.append(number.reshape(pair.shape) + size)
            size += distinct.size
        self.rows = np.stack([*columns, np.full(columns[0].shape, size)], axis=-1)
        self.size = size + 1
        self.impressions, self.clicks = np.zeros((2, *table.feasible.shape))
        self.mode = np.zeros(self.size)
        self.rng = np.random.default_rng([seed, 1])
        self.winners = self._winners()

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression."""
        return self.winners[items, rng.integers(POOL, size=items.size)]

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Adds the counts and makes a new pool."""
        np.add.at(self.impressions, (items, chosen), 1.0)
        np.add.at(self.clicks, (items, chosen), clicks)
        self.winners = self._winners()

    def _winners(self) -> Indices:
        seen = self.impressions > 0
        n, k, rows = self.impressions[seen], self.clicks[seen], self.rows[seen]
        design = np.zeros((len(rows), self.size))
        np.put_along_axis(design, rows, 1.0, axis=1)
        if self.logistic:
            precision = np.full(self.size, 1.0 / 0.3**2)
            precision[-1] = 1.0 / 9.0
            information = np.diag(precision)
            for _ in range(8):
                p = 1.0 / (1.0 + np.exp(-design @ self.mode))
                information = np.diag(precision) + (design * (n * p * (1.0 - p))[:, None]).T @ design
                slope = design.T @ (k - n * p) - precision * self.mode
                step = np.linalg.solve(information, slope)
                self.mode += step / max(1.0, float(np.abs(design @ step).max(initial=0.0)))
            root = self.scale
        else:
            information = 0.1 * np.eye(self.size) + (design * n[:, None]).T @ design
            self.mode = np.linalg.solve(information, design.T @ k)
            root = np.sqrt(self.scale)
        # L Lᵀ = information, so L⁻ᵀ ε has its inverse for covariance.
        noise = self.rng.standard_normal((self.size, POOL))
        draws = self.mode[:, None] + root * np.linalg.solve(np.linalg.cholesky(information).T, noise)
        winners = np.empty((len(self.rows), POOL), np.int64)
        for item, creatives in enumerate(self.rows):
            scores = draws[creatives].sum(axis=1)
            winners[item] = np.where(self.feasible[item][:, None], scores, -np.inf).argmax(axis=0)
        return winners


def all_pairs(table: Table) -> tuple[tuple[int, int], ...]:
    """Every pair of fields."""
    return tuple(combinations(range(table.rows.shape[-1]), 2))
