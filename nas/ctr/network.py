"""The network: a supernet that runs any genotype within its limits, and the subnet of one genotype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from nas.ctr.branches import (
    FieldAttention,
    FmPooling,
    FullCross,
    LowRankCross,
    MaskBlocks,
    MixedDot,
    Pairs,
)
from nas.ctr.layers import FusedTable, SlicedGate, SlicedLinear, SlicedNorm, take
from nas.ctr.path import Layout, Path

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.ctr.fields import FieldGroups
    from nas.ctr.genotype import CtrGenotype, Tower
    from nas.ctr.layers import Index

EMBEDDING_DEVIATION: Final = 0.05


class CtrNetwork(nn.Module):
    """Embeddings → interaction branches → towers → logit, for every genotype within limits.

    With `alone` for the genotype of the limits only, without weights that only others would read.
    Sizes are entangled: a smaller genotype uses the first rows and columns of the weights that a larger one
    uses too (Yu et al. 2020, BigNAS). Each operator has weights of its own.
    """

    def __init__(
        self, fields: FieldGroups, limits: CtrGenotype, generator: torch.Generator, *, alone: bool = False
    ) -> None:
        super().__init__()
        self.fields = fields
        self.limits = limits
        self._layout = layout = Layout(fields, limits, alone=alone)
        self.bias = nn.Parameter(torch.zeros(()))
        if limits.wide:
            self.wide = FusedTable(fields.num_ids, 1, generator, 0.0)
        if not any(limits.dims):
            return
        kept = tuple(fields.num_ids[field] for field in layout.fields)
        self.table = FusedTable(kept, max(limits.dims), generator, EMBEDDING_DEVIATION)
        self.branches = nn.ModuleDict({name: _BRANCHES[name](layout, generator) for name in limits.branches})
        if limits.tower.depth:
            self.tower = _Tower(len(layout.to_tower), limits.tower, generator)
        if limits.second.depth:
            self.gates = SlicedGate(layout.sizes["x"])
            self.second = _Tower(layout.sizes["x"], limits.second, generator)
            self.bilinear = SlicedLinear(limits.tower.width, limits.second.width, generator)
        self.head = SlicedLinear(layout.towers + len(layout.to_head), 1, generator)

    def path(self, genotype: CtrGenotype) -> Path:
        """Finds the genotype's slices of this network.

        Raises:
            SearchError: it does not fit.
        """
        return Path(self._layout, genotype).to(self.bias.device)

    def forward(self, ids: torch.Tensor, path: Path) -> torch.Tensor:
        """Gives the logits (batch,) of ids (batch, fields of the log) on one path."""
        logit = self.bias.expand(len(ids))
        if path.genotype.wide:
            every = len(self.fields.num_ids)
            logit = logit + self.wide(ids, every, 1).sum(dim=(1, 2))
        if not path.num_fields:
            return logit
        e = self.table(take(ids, path.index("log_fields"), 1), path.index("fields"), path.dim)
        if path.mask is not None:
            e = e * path.mask
        x = take(e.flatten(1), path.index("packed"), 1)
        parts = [self.branches[name](x, e, path) for name in path.genotype.branches]
        return logit + self._logit(x, parts, path)

    def _logit(self, x: torch.Tensor, parts: list[torch.Tensor], path: Path) -> torch.Tensor:
        """Runs towers and head on the embeddings and the branches' outputs."""
        g = path.genotype
        into_head = [x, *parts]
        product: torch.Tensor | float = 0.0
        if g.tower.depth:
            stacked = torch.cat([x, *parts], dim=1) if g.merge == "stacked" else x
            top = self.tower(stacked, g.tower, path.index("to_tower"))
            into_head = [top] if g.merge == "stacked" else [top, *parts]
            if g.second.depth:
                other = self.second(self.gates(x, path.index("x")), g.second, path.index("x"))
                product = (self.bilinear(top, g.second.width, g.tower.width) * other).sum(dim=1)
                into_head.insert(1, other)
        logit: torch.Tensor = self.head(torch.cat(into_head, dim=1), 1, path.index("to_head"))[:, 0]
        return logit + product


class Subnet(nn.Module):
    """A network of one genotype, with nothing of others in it: what is trained alone, timed and exported."""

    def __init__(self, fields: FieldGroups, genotype: CtrGenotype, generator: torch.Generator) -> None:
        super().__init__()
        self.genotype = genotype
        self.network = CtrNetwork(fields, genotype, generator, alone=True)
        self.path = self.network.path(genotype)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Gives the logits (batch,) of ids (batch, fields of the log)."""
        logit: torch.Tensor = self.network(ids, self.path)
        return logit


def extract(network: CtrNetwork, genotype: CtrGenotype) -> Subnet:
    """Copies one path's weights out of a supernet.

    The forward pass itself says what it uses: every sliced layer is watched while it runs once.
    """
    subnet = Subnet(network.fields, genotype, torch.Generator())
    targets = dict(subnet.network.named_modules())

    def copy(name: str) -> Callable[[nn.Module, tuple[object, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[object, ...]) -> None:
            weights = module.cut(*inputs[1:])  # type: ignore[operator]
            for target, weight in zip(targets[name].parameters(), weights, strict=True):
                target.copy_(weight)

        return hook

    handles = [
        module.register_forward_pre_hook(copy(name))
        for name, module in network.named_modules()
        if hasattr(module, "cut")
    ]
    device = network.bias.device
    try:
        with torch.no_grad():
            row = torch.zeros((1, len(network.fields.num_ids)), dtype=torch.int64, device=device)
            network(row, network.path(genotype))
            subnet.network.bias.copy_(network.bias)
    finally:
        for handle in handles:
            handle.remove()
    return subnet.to(device)


class _Tower(nn.Module):
    """relu(LN(W h + b)), layer by layer."""

    def __init__(self, num_inputs: int, limits: Tower, generator: torch.Generator) -> None:
        super().__init__()
        inputs = (num_inputs, *(limits.width for _ in range(limits.depth - 1)))
        self.layers = nn.ModuleList(SlicedLinear(columns, limits.width, generator) for columns in inputs)
        self.norms = nn.ModuleList(SlicedNorm(limits.width) for _ in inputs)

    def forward(self, x: torch.Tensor, tower: Tower, columns: Index) -> torch.Tensor:
        """Runs the first layers of a tower: (batch, width)."""
        for layer, norm in zip(self.layers[: tower.depth], self.norms, strict=False):
            x = torch.relu(norm(layer(x, tower.width, columns), tower.width))
            columns = tower.width
        return x


_BRANCHES: Final[dict[str, Callable[[Layout, torch.Generator], nn.Module]]] = {
    "fm": lambda *_: FmPooling(),
    "pairs": lambda *_: Pairs(),
    "dot": lambda layout, rng: MixedDot(len(layout.fields), layout.limits.dot, rng),
    "cross": lambda layout, rng: LowRankCross(
        layout.sizes["x"], layout.limits.cross, layout.limits.rank, rng
    ),
    "full_cross": lambda layout, rng: FullCross(layout.sizes["x"], layout.limits.full_cross, rng),
    "gate": lambda layout, rng: MaskBlocks(layout.sizes["x"], layout.limits.gate, rng),
    "attention": lambda layout, rng: FieldAttention(max(layout.limits.dims), layout.limits.attention, rng),
}
