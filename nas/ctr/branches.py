"""Interaction branches: each maps a row's embeddings to a vector; a path uses a slice of each.

x is the row of all embedding entries (batch, D), e the same by field, padded with zeros (batch, F, d).
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from nas.ctr.layers import SlicedLinear, SlicedNorm
from nas.ctr.path import HEAD_SIZE, MASK_WIDTH

if TYPE_CHECKING:
    from nas.ctr.path import Path


class FmPooling(nn.Module):
    """½ ((Σ_f e_f)² − Σ_f e_f²), (batch, d).

    Source: Rendle 2010; as a vector: He and Chua 2017, Neural factorization machines, equation 4.
    """

    def forward(self, x: torch.Tensor, e: torch.Tensor, path: Path) -> torch.Tensor:  # noqa: ARG002
        """Sums the products of all pairs of fields."""
        pooled: torch.Tensor = 0.5 * (e.sum(dim=1).square() - e.square().sum(dim=1))
        return pooled


class Pairs(nn.Module):
    """⟨e_f, e_g⟩ for all f > g, (batch, F (F − 1) / 2).

    Source: Naumov et al. 2019, Deep learning recommendation model (arXiv 1906.00091).
    """

    def forward(self, x: torch.Tensor, e: torch.Tensor, path: Path) -> torch.Tensor:  # noqa: ARG002
        """Multiplies every field with every other one."""
        return lower(e)


class MixedDot(nn.Module):
    """⟨m_i, m_j⟩ for all i > j of k mixtures m = P e of the fields: k instead of F fields to multiply.

    Source: Zhang et al. 2023, NASRec (arXiv 2207.07187), the dot product with its projection of fields.
    """

    def __init__(self, num_fields: int, num_mixtures: int, generator: torch.Generator) -> None:
        super().__init__()
        self.mix = SlicedLinear(num_fields, num_mixtures, generator)

    def forward(self, x: torch.Tensor, e: torch.Tensor, path: Path) -> torch.Tensor:  # noqa: ARG002
        """Mixes the fields, then multiplies the mixtures."""
        mixed = self.mix(e.transpose(1, 2), path.genotype.dot, path.index("fields"))
        return lower(mixed.transpose(1, 2))


class LowRankCross(nn.Module):
    """x_{l+1} = x ⊙ (U_l V_l x_l + b_l) + x_l, (batch, D).

    Source: Wang et al. 2021, DCN V2 (arXiv 2008.13535), equation 2; inner bias by ours.
    """

    def __init__(self, size: int, layers: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.down = nn.ModuleList(SlicedLinear(size, rank, generator) for _ in range(layers))
        self.up = nn.ModuleList(SlicedLinear(rank, size, generator) for _ in range(layers))

    def forward(self, x: torch.Tensor, e: torch.Tensor, path: Path) -> torch.Tensor:  # noqa: ARG002
        """Crosses as many times as the genotype says."""
        crossed, entries, rank = x, path.index("x"), path.genotype.rank
        for layer in range(path.genotype.cross):
            low = self.down[layer](crossed, rank, entries)
            crossed = x * self.up[layer](low, entries, rank) + crossed
        return crossed


class FullCross(nn.Module):
    """x_{l+1} = x ⊙ (W_l x_l + b_l) + x_l, (batch, D).

    Source: Wang et al. 2021, DCN V2 (arXiv 2008.13535), equation 1.
    """

    def __init__(self, size: int, layers: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SlicedLinear(size, size, generator) for _ in range(layers))

    def forward(self, x: torch.Tensor, e: torch.Tensor, path: Path) -> torch.Tensor:  # noqa: ARG002
        """Crosses as many times as the genotype says."""
        crossed, entries = x, path.index("x")
        for layer in range(path.genotype.full_cross):
            crossed = x * self.layers[layer](crossed, entries, entries) + crossed
        return crossed


class MaskBlocks(nn.Module):
    """relu(LN(W (LN(x) ⊙ mask(x)))) of each block side by side, mask(x) = B relu(A x).

    Source: Wang et al. 2021, MaskNet (arXiv 2102.07619), the parallel model.
    """

    def __init__(self, size: int, blocks: int, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = SlicedNorm(size)
        self.narrow = nn.ModuleList(SlicedLinear(size, MASK_WIDTH, generator) for _ in range(blocks))
        self.widen = nn.ModuleList(SlicedLinear(MASK_WIDTH, size, generator) for _ in range(blocks))
        self.out = nn.ModuleList(SlicedLinear(size, MASK_WIDTH, generator) for _ in range(blocks))
        self.out_norm = nn.ModuleList(SlicedNorm(MASK_WIDTH) for _ in range(blocks))

    def forward(self, x: torch.Tensor, e: torch.Tensor, path: Path) -> torch.Tensor:  # noqa: ARG002
        """Joins the blocks: (batch, blocks · MASK_WIDTH)."""
        entries = path.index("x")
        normal = self.norm(x, entries)
        outputs = []
        for block in range(path.genotype.gate):
            mask = torch.relu(self.narrow[block](x, MASK_WIDTH, entries))
            masked = normal * self.widen[block](mask, entries, MASK_WIDTH)
            out = self.out_norm[block](self.out[block](masked, MASK_WIDTH, entries), MASK_WIDTH)
            outputs.append(torch.relu(out))
        return torch.cat(outputs, dim=1)


class FieldAttention(nn.Module):
    """relu(softmax(Q Kᵀ / √a) V + R e) over the fields with heads of size a, (batch, F · heads · a).

    Source: Song et al. 2019, AutoInt (arXiv 1810.11921), equations 5–8; scaled as in Vaswani et al. 2017.
    """

    def __init__(self, dim: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        width = heads * HEAD_SIZE
        self.query, self.key, self.value, self.residual = (
            SlicedLinear(dim, width, generator) for _ in range(4)
        )

    def forward(self, x: torch.Tensor, e: torch.Tensor, path: Path) -> torch.Tensor:  # noqa: ARG002
        """Lets every field look at every field."""
        heads, width = path.genotype.attention, path.genotype.attention * HEAD_SIZE
        shape = (len(e), path.num_fields, heads, HEAD_SIZE)
        query, key, value = (
            layer(e, width, path.dim).view(shape).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        weights = torch.softmax(query @ key.transpose(2, 3) / sqrt(HEAD_SIZE), dim=-1)
        seen = (weights @ value).transpose(1, 2).reshape(len(e), path.num_fields, width)
        return functional.relu(seen + self.residual(e, width, path.dim)).flatten(1)


def lower(vectors: torch.Tensor) -> torch.Tensor:
    """Gives the products below the diagonal, row by row: those of fewer vectors come first."""
    late, early = torch.tril_indices(vectors.shape[1], vectors.shape[1], -1, device=vectors.device)
    return (vectors @ vectors.transpose(1, 2))[:, late, early]
