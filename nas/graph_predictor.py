"""A graph convolution over a cell's edges, as in the Neural Predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.space import FloatArray


class _Convolutions(nn.Module):
    """Layers h ← (relu(A h U) + relu(Aᵀ h V)) / 2, their mean over the nodes, and a dense head."""

    def __init__(self, adjacency: torch.Tensor, num_kinds: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        reverse = adjacency.T / adjacency.T.sum(dim=1, keepdim=True)
        self.forth = nn.Parameter(adjacency, requires_grad=False)
        self.back = nn.Parameter(reverse, requires_grad=False)
        sizes = list(zip((num_kinds, *widths[:-1]), widths, strict=True))
        self.along = nn.ModuleList(nn.Linear(rows, columns) for rows, columns in sizes)
        self.against = nn.ModuleList(nn.Linear(rows, columns) for rows, columns in sizes)
        self.head = nn.Sequential(nn.Linear(widths[-1], widths[-1]), nn.ReLU(), nn.Linear(widths[-1], 1))

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        """Predicts (n,) from node kinds (n, nodes, kinds)."""
        for along, against in zip(self.along, self.against, strict=True):
            nodes = (torch.relu(along(self.forth @ nodes)) + torch.relu(against(self.back @ nodes))) / 2
        predicted: torch.Tensor = self.head(nodes.mean(dim=1))[:, 0]
        return predicted


@dataclass(frozen=True)
class GraphRegressor:
    """Fits graph convolutions to cells in one-hot form; a `Regressor` with one member.

    Nodes are the edges of the cell with their operations, an input and an output (`Cell.adjacency`).

    Source: Wen et al. 2020, Neural Predictor for Neural Architecture Search (arXiv 1912.00848), section 3.
    """

    adjacency: FloatArray
    num_operations: int
    widths: tuple[int, ...] = (64, 64, 64)
    steps: int = 300
    rate: float = 3e-3
    decay: float = 1e-3

    def __call__(
        self, codes: FloatArray, values: FloatArray, rng: np.random.Generator
    ) -> Callable[[FloatArray], FloatArray]:
        """Fits by AdamW with a cosine schedule on all rows at once."""
        centre, scale = float(values.mean()), float(values.std()) or 1.0
        target = torch.tensor((values - centre) / scale, dtype=torch.float32)
        # The global generator is left as it was found: torch's layers draw their start from it.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**62)))
            net = _Convolutions(
                torch.tensor(self.adjacency, dtype=torch.float32), self.num_operations + 2, self.widths
            )
        optimiser = torch.optim.AdamW(net.parameters(), lr=self.rate, weight_decay=self.decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        nodes = self._nodes(codes)
        for _ in range(self.steps):
            optimiser.zero_grad()
            loss = nn.functional.mse_loss(net(nodes), target)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()

        def predict(others: FloatArray) -> FloatArray:
            with torch.no_grad():
                predicted = net(self._nodes(others)).numpy().astype(np.float64)
            rows: FloatArray = centre + scale * predicted[None]
            return rows

        return predict

    def _nodes(self, codes: FloatArray) -> torch.Tensor:
        """Adds input and output to the edges: (n, edges + 2, operations + 2)."""
        edges = codes.reshape(len(codes), -1, self.num_operations)
        nodes = np.zeros((len(codes), edges.shape[1] + 2, self.num_operations + 2))
        nodes[:, 1:-1, :-2] = edges
        nodes[:, 0, -2] = nodes[:, -1, -1] = 1.0
        return torch.tensor(nodes, dtype=torch.float32)
