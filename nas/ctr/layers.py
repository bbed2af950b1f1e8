"""Layers of which a path uses a slice: the first rows and columns, or chosen ones."""

from __future__ import annotations

from math import sqrt
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional

Index: TypeAlias = int | torch.Tensor
"""So many from the start, or these: (n,) int64."""


def take(tensor: torch.Tensor, index: Index, axis: int) -> torch.Tensor:
    """Takes entries along an axis; the tensor itself where it is all of them."""
    if isinstance(index, int):
        return tensor if index == tensor.shape[axis] else tensor.narrow(axis, 0, index)
    return tensor.index_select(axis, index)


def uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> nn.Parameter:
    """Draws a parameter from U(−bound, bound)."""
    return nn.Parameter((2.0 * torch.rand(shape, generator=generator) - 1.0) * bound)


class SlicedLinear(nn.Module):
    """y = W[rows, columns] x + b[rows]."""

    def __init__(self, num_columns: int, num_rows: int, generator: torch.Generator) -> None:
        super().__init__()
        bound = 1.0 / sqrt(max(num_columns, 1))
        self.weight = uniform((num_rows, num_columns), bound, generator)
        self.bias = uniform((num_rows,), bound, generator)

    def cut(self, rows: Index, columns: Index) -> tuple[torch.Tensor, torch.Tensor]:
        """Gives the slice's weight and bias."""
        return take(take(self.weight, rows, 0), columns, 1), take(self.bias, rows, 0)

    def forward(self, x: torch.Tensor, rows: Index, columns: Index) -> torch.Tensor:
        """Maps (…, columns) to (…, rows)."""
        return functional.linear(x, *self.cut(rows, columns))


class SlicedNorm(nn.Module):
    """Layer normalisation over the entries that a path has: no statistics to recalibrate (Ba et al. 2016)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def cut(self, entries: Index) -> tuple[torch.Tensor, torch.Tensor]:
        """Gives the slice's gain and bias."""
        return take(self.gain, entries, 0), take(self.bias, entries, 0)

    def forward(self, x: torch.Tensor, entries: Index) -> torch.Tensor:
        """Normalises (…, entries)."""
        return functional.layer_norm(x, x.shape[-1:], *self.cut(entries))


class SlicedGate(nn.Module):
    """y = x ⊙ 2 σ(g): a learned strength for every entry, 1 at the start."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def cut(self, entries: Index) -> tuple[torch.Tensor]:
        """Gives the slice's g."""
        return (take(self.weight, entries, 0),)

    def forward(self, x: torch.Tensor, entries: Index) -> torch.Tensor:
        """Weighs (batch, entries)."""
        return x * (2.0 * torch.sigmoid(self.cut(entries)[0]))


class FusedTable(nn.Module):
    """The embeddings of all fields in one table: one gather whatever the number of fields.

    Row `offset of the field + id`. A path reads some fields and the first columns.
    """

    offsets: torch.Tensor

    def __init__(
        self, num_ids: tuple[int, ...], width: int, generator: torch.Generator, deviation: float
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(deviation * torch.randn((sum(num_ids), width), generator=generator))
        starts = torch.tensor((0, *num_ids[:-1])).cumsum(0)
        self.register_buffer("offsets", starts, persistent=False)
        self._num_ids = num_ids

    def cut(self, fields: Index, width: int) -> tuple[torch.Tensor]:
        """Gives the rows of these fields, the first columns of each."""
        chosen = range(fields) if isinstance(fields, int) else fields.tolist()
        starts = self.offsets.tolist()
        parts = [self.weight[starts[field] : starts[field] + self._num_ids[field]] for field in chosen]
        return (torch.cat(parts)[:, :width],)

    def forward(self, ids: torch.Tensor, fields: Index, width: int) -> torch.Tensor:
        """Looks (batch, fields) ids up: (batch, fields, width)."""
        rows = functional.embedding(ids + take(self.offsets, fields, 0), self.weight)
        return take(rows, width, 2)
