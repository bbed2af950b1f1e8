"""AutoCO in our own compact form: as its authors describe it with its defects repaired, and as released.

Chen et al. (2021), Automated creative optimization for e-commerce advertising: a factorization machine with
an operator for each pair of fields, found by one-shot proximal search, operation-aware embeddings, a linear
layer for each operator, mean-field Gaussians fitted by stochastic variational inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.creatives_tables import Table

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]

OPERATORS = ("concat", "multiply", "max", "min", "plus")
MULTIPLY = OPERATORS.index("multiply")


@dataclass(frozen=True)
class Variant:
    """What tells the three apart. Steps are full-batch Adam steps on counts of distinct cells a refit."""

    searches: bool = True
    """Whether operators are searched; else every pair is multiplied and summed: a plain FM."""
    restarts: bool = False
    """Whether each refit begins from scratch, as released, rather than where the last ended."""
    num_draws: int = 32
    """Coherent posterior draws a period; 0 shows each item one creative a period, the best of the means: the
    released noise has 10⁻⁴ of its scale and is drawn once."""
    steps: int = 120
    prior_scale: float = 0.1
    dim: int = 8


class AutoCo:
    """Refits the machine after each period and samples creatives from it."""

    def __init__(self, table: Table, seed: int, variant: Variant = Variant()) -> None:
        self.variant = variant
        self.feasible = table.feasible
        self.rows = torch.from_numpy(table.rows.astype(np.int64))
        self.pairs = tuple(combinations(range(table.rows.shape[-1]), 2))
        self.num_rows = int(table.rows.max()) + 1
        self.impressions, self.clicks = np.zeros((2, *table.feasible.shape))
        self.generator = torch.Generator().manual_seed(seed)
        self._reset()

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression."""
        distinct, place = np.unique(items, return_inverse=True)
        winners = self._winners(distinct)
        return winners[place, rng.integers(winners.shape[1], size=items.size)]

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Adds the counts, refits, makes a new pool."""
        np.add.at(self.impressions, (items, chosen), 1.0)
        np.add.at(self.clicks, (items, chosen), clicks)
        if self.variant.restarts:
            self._reset()
        self._fit()

    def _reset(self) -> None:
        size = 1 + len(OPERATORS) * self.variant.dim
        shape = (self.num_rows, size)
        self.loc = (0.1 * torch.randn(shape, generator=self.generator)).requires_grad_()
        self.rho = torch.full(shape, -3.0).requires_grad_()
        self.bias = torch.tensor(-2.5).requires_grad_()
        layers = torch.ones(len(OPERATORS) + 1, self.variant.dim)
        self.layers = layers.requires_grad_()
        self.alpha = (
            0.5 + 1e-3 * torch.randn(len(self.pairs), len(OPERATORS), generator=self.generator)
        ).requires_grad_()

    def _gates(self) -> torch.Tensor:
        if not self.variant.searches:
            return torch.eye(len(OPERATORS))[MULTIPLY].expand(len(self.pairs), -1)
        # Proximal: the forward pass sees one operator a pair, the gradient goes to the continuous weights.
        hard = torch.nn.functional.one_hot(self.alpha.argmax(1), len(OPERATORS)).to(self.alpha.dtype)
        return hard + self.alpha - self.alpha.detach()

    def _logits(self, weights: torch.Tensor, rows: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
        found = weights[rows]
        z = self.bias + found[..., 0].sum(-1)
        dim, layers = self.variant.dim, self.layers
        vectors = found[..., 1:].reshape(*found.shape[:-1], len(OPERATORS), dim)
        for number, (i, j) in enumerate(self.pairs):
            p, q = vectors[:, i], vectors[:, j]
            outputs = (
                (
                    p[:, 0] @ layers[0] + q[:, 0] @ layers[5],
                    (p[:, 1] * q[:, 1]) @ (layers[1] if self.variant.searches else torch.ones(dim)),
                    torch.maximum(p[:, 2], q[:, 2]) @ layers[2],
                    torch.minimum(p[:, 3], q[:, 3]) @ layers[3],
                    (p[:, 4] + q[:, 4]) @ layers[4],
                )
                if self.variant.searches
                else (None, (p[:, 1] * q[:, 1]).sum(-1), None, None, None)
            )
            for operator, output in enumerate(outputs):
                if output is not None:
                    z = z + gates[number, operator] * output
        return z

    def _fit(self) -> None:
        seen = self.impressions > 0
        rows = self.rows[torch.from_numpy(seen)]
        n, k = (torch.from_numpy(x[seen]).float() for x in (self.impressions, self.clicks))
        parameters = [self.loc, self.rho, self.bias, self.layers, self.alpha]
        optimiser = torch.optim.Adam(parameters, lr=0.02)
        prior = self.variant.prior_scale
        for _ in range(self.variant.steps):
            optimiser.zero_grad()
            scale = torch.nn.functional.softplus(self.rho)
            noise = torch.randn(self.loc.shape, generator=self.generator)
            z = self._logits(self.loc + scale * noise, rows, self._gates())
            loss = (n * torch.nn.functional.softplus(z) - k * z).sum()
            divergence = torch.log(prior / scale) + (scale**2 + self.loc**2) / (2 * prior**2) - 0.5
            (loss + divergence.sum()).backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    @torch.no_grad()
    def _winners(self, items: Indices) -> Indices:
        num_draws = max(1, self.variant.num_draws)
        feasible = self.feasible[items]
        winners = np.empty((items.size, num_draws), np.int64)
        rows = self.rows[torch.from_numpy(items)].flatten(0, 1)
        for m in range(num_draws):
            noise = torch.randn(self.loc.shape, generator=self.generator)
            scale = torch.nn.functional.softplus(self.rho) if self.variant.num_draws else 0.0
            z = self._logits(self.loc + scale * noise, rows, self._gates()).reshape(feasible.shape)
            winners[:, m] = np.where(feasible, z.numpy(), -np.inf).argmax(axis=1)
        return winners
