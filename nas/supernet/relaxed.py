"""The supernet under mixtures of operations: differentiable in how much of each operation there is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nas.ctr.branches import lower
from nas.ctr.genotype import Tower
from nas.ctr.path import HEAD_SIZE, MASK_WIDTH
from nas.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nas.ctr.layers import SlicedNorm
    from nas.ctr.network import CtrNetwork
    from nas.ctr.space import CtrSpace


class RelaxedNetwork(nn.Module):
    """Σ_o p_o · o(x) at every choice block, with the supernet's own weights.

    Where the operations of a block are the first entries of one vector (dimensions, mixtures, heads, widths),
    the sum is that vector with entry i weighed by Σ_{o : size of o > i} p_o, and normalisation weighs entries
    alike. With one operation of share 1 in every block the logits are those of its path.

    Source: Liu et al. 2019, DARTS (arXiv 1806.09055), equation 2; on entangled weights: Sukthankar et al.
    2024, Weight-entanglement meets gradient-based neural architecture search (arXiv 2312.10440).

    Raises:
        SearchError: the space may leave fields out, or has no tower to mix.
    """

    def __init__(self, network: CtrNetwork, space: CtrSpace) -> None:
        super().__init__()
        if min(space.dims) == 0:
            raise SearchError("space.dims", space.dims, "must be positive: no field is left out by degrees")
        if max(space.depths) == 0:
            raise SearchError("space.depths", space.depths, "must offer a tower")
        self.network = network
        self._space = space
        limits = network.limits
        self._path = network.path(limits)
        self._crosses = nn.ModuleList(
            network.path(
                replace(limits, full_cross=layers)
                if rank == "full"
                else replace(limits, cross=layers, rank=int(rank))
            )
            for layers, rank in space.crosses
            if layers
        )

    def forward(self, ids: torch.Tensor, shares: Sequence[torch.Tensor]) -> torch.Tensor:
        """Gives the logits (batch,) of ids (batch, fields) under the shares of each block's operations."""
        network, space = self.network, self._space
        share = dict(zip((block.name for block in space.search_space.blocks), shares, strict=True))
        logit = network.bias.expand(len(ids))
        if network.limits.wide:
            every = len(network.fields.num_ids)
            logit = logit + share["wide"][1] * network.wide(ids, every, 1).sum(dim=(1, 2))
        there = torch.stack(
            [
                _reach(share[f"dim {group}"], space.dims, network.limits.dims[group])
                for group in range(space.num_groups)
            ]
        )
        weights = there[torch.tensor(network.fields.groups, device=there.device)]
        e = network.table(ids, self._path.index("fields"), self._path.dim) * weights
        # A dimension exists where any group has it.
        exists = 1.0 - (1.0 - there).prod(dim=0)
        x, x_weights = e.flatten(1), weights.flatten()
        parts = self._parts(x, e, (x_weights, exists), share)
        return logit + self._logit(x, parts, share)

    def _parts(
        self,
        x: torch.Tensor,
        e: torch.Tensor,
        weights: tuple[torch.Tensor, torch.Tensor],
        share: dict[str, torch.Tensor],
    ) -> torch.Tensor:
        """Joins all branches, each weighed by its shares: (batch, outputs)."""
        network, space, path = self.network, self._space, self._path
        parts = []
        for name in network.limits.branches:
            branch: Any = network.branches[name]
            if name in ("cross", "full_cross"):
                parts.append(self._crossed(name, x, e, share["cross"]))
            elif name == "fm":
                parts.append(share["fm"][1] * branch(x, e, path))
            elif name == "pairs":
                parts.append(share["dot"][space.dots.index("all")] * branch(x, e, path))
            elif name == "dot":
                sizes = [0 if size == "all" else int(size) for size in space.dots]
                mixtures = _reach(share["dot"], sizes, network.limits.dot)
                mixed = branch.mix(e.transpose(1, 2), network.limits.dot, path.index("fields"))
                mixed = mixed * weights[1][:, None]
                late = torch.tril_indices(len(mixtures), len(mixtures), -1, device=mixtures.device)[0]
                parts.append(lower(mixed.transpose(1, 2)) * mixtures[late])
            elif name == "gate":
                blocks = _reach(share["gate"], space.gates, network.limits.gate)
                parts.append(self._gated(x, weights[0]) * blocks.repeat_interleave(MASK_WIDTH))
            else:
                heads = _reach(share["attention"], space.heads, network.limits.attention)
                parts.append(branch(x, e, path) * heads.repeat_interleave(HEAD_SIZE).repeat(path.num_fields))
        return torch.cat(parts, dim=1) if parts else x[:, :0]

    def _crossed(self, name: str, x: torch.Tensor, e: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Mixes the crosses of one kind; one whose share is exactly 0 and needs no slope is not computed."""
        total = torch.zeros_like(x)
        there = [place for place, (layers, _) in enumerate(self._space.crosses) if layers]
        for place, path in zip(there, self._crosses, strict=True):
            full = self._space.crosses[place][1] == "full"
            if full == (name == "full_cross") and (shares.requires_grad or shares[place] != 0.0):
                total = total + shares[place] * self.network.branches[name](x, e, path)
        return total

    def _gated(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Runs all mask blocks on embeddings of which some entries are there by degrees."""
        blocks: Any = self.network.branches["gate"]
        size = x.shape[1]
        normal = _norm(blocks.norm, x, weights) * weights
        outputs = []
        for narrow, widen, out, norm in zip(
            blocks.narrow, blocks.widen, blocks.out, blocks.out_norm, strict=True
        ):
            mask = torch.relu(narrow(x, MASK_WIDTH, size))
            masked = normal * widen(mask, size, MASK_WIDTH)
            outputs.append(torch.relu(norm(out(masked, MASK_WIDTH, size), MASK_WIDTH)))
        return torch.cat(outputs, dim=1)

    def _logit(self, x: torch.Tensor, parts: torch.Tensor, share: dict[str, torch.Tensor]) -> torch.Tensor:
        """Runs the towers and the head, which reads the branches unless a tower does."""
        network, space = self.network, self._space
        bare = sum(p for p, depth in zip(share["depth"], space.depths, strict=True) if depth == 0)
        parallel = share["merge"][1]
        top = self._tower(torch.cat([x, (1.0 - parallel) * parts], dim=1), share)
        read = [top]
        product: torch.Tensor | float = 0.0
        limits = network.limits.second
        if limits.depth:
            gated, size = network.gates(x, x.shape[1]), x.shape[1]
            other = torch.zeros((len(x), limits.width), device=x.device)
            mapped = network.bilinear(top, limits.width, network.limits.tower.width)
            for p, (depth, width) in zip(share["second"], space.seconds, strict=True):
                if depth:
                    out = (1.0 - bare) * p * network.second(gated, Tower(depth, width), size)
                    product = product + (mapped[:, :width] * out).sum(dim=1)
                    other = other + nn.functional.pad(out, (0, limits.width - width))
            read.append(other)
        read += [bare * x, (bare + (1.0 - bare) * parallel) * parts]
        every = torch.cat(read, dim=1)
        logit: torch.Tensor = network.head(every, 1, every.shape[1])[:, 0]
        return logit + product

    def _tower(self, x: torch.Tensor, share: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mixes the tower's outputs after each depth: (batch, largest width), 0 where there is no tower."""
        limits = self.network.limits.tower
        widths = _reach(share["width"], self._space.widths, limits.width)
        top = torch.zeros((len(x), limits.width), device=x.device)
        layers: Any = zip(self.network.tower.layers, self.network.tower.norms, strict=True)
        for depth, (layer, norm) in enumerate(layers, start=1):
            x = torch.relu(_norm(norm, layer(x, limits.width, x.shape[1]), widths)) * widths
            if depth in self._space.depths:
                top = top + share["depth"][self._space.depths.index(depth)] * x
        return top


def _reach(shares: torch.Tensor, sizes: Sequence[int], limit: int) -> torch.Tensor:
    """Gives for each of so many entries the share of the operations that are large enough to have it."""
    large = torch.tensor(sizes, device=shares.device)[:, None] > torch.arange(limit, device=shares.device)
    return shares @ large.to(shares.dtype)


def _norm(norm: SlicedNorm, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Normalises (batch, entries) by the weighted mean and variance of its entries."""
    total = weights.sum()
    mean = (weights * x).sum(dim=1, keepdim=True) / total
    variance = (weights * (x - mean).square()).sum(dim=1, keepdim=True) / total
    return (x - mean) / (variance + 1e-5).sqrt() * norm.gain + norm.bias
