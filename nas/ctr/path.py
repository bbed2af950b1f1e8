"""Where a genotype's entries lie in a network of larger limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nas.ctr.fields import FieldGroups
    from nas.ctr.genotype import CtrGenotype
    from nas.ctr.layers import Index

    Ints = NDArray[np.int64]

HEAD_SIZE: Final = 8
"""Width of an attention head."""
MASK_WIDTH: Final = 64
"""Width of a mask block, of its bottleneck too."""


class Path(nn.Module):
    """One genotype's way through a network; its indices move between devices with it.

    Attributes that are an `Index`: `log_fields` among the log's columns, `fields` among the network's,
    `packed` from the padded embeddings (fields · dim) to those that exist, `x` among the network's embedding
    entries, `parts` by branch among that branch's outputs, and the inputs of `tower` and `head`.
    """

    genotype: CtrGenotype

    def __init__(self, layout: Layout, genotype: CtrGenotype) -> None:
        super().__init__()
        genotype.check_within(layout.limits)
        self.genotype = genotype
        dims = layout.dims_of(genotype)
        on = np.flatnonzero(dims)
        self.num_fields = len(on)
        self.dim = int(dims.max())
        self._put("log_fields", on)
        self._put("fields", np.searchsorted(layout.fields, on))
        exists = np.arange(self.dim) < dims[on][:, None]
        self._put("packed", np.flatnonzero(exists))
        mask = None if exists.all() else torch.tensor(exists, dtype=torch.float32)
        self.register_buffer("mask", mask, persistent=False)
        parts = layout.parts(genotype)
        for name, entries in parts.items():
            self._put(name, entries)
        to_tower, to_head = layout.readers(genotype)
        self._put("to_tower", np.searchsorted(layout.to_tower, to_tower))
        into_head = (
            np.arange(genotype.tower.width),
            layout.limits.tower.width + np.arange(genotype.second.width),
            layout.towers + np.searchsorted(layout.to_head, to_head),
        )
        self._put("to_head", np.concatenate(into_head))

    def index(self, name: str) -> Index:
        """Gives an index by its name."""
        index: Index = getattr(self, f"_{name}")
        return index

    def _put(self, name: str, entries: Ints) -> None:
        """Keeps an index, as a number where it is the first so many."""
        if (entries == np.arange(len(entries))).all():
            setattr(self, f"_{name}", len(entries))
        else:
            self.register_buffer(f"_{name}", torch.tensor(entries), persistent=False)


class Layout:
    """The order of entries in a network: embeddings, then the outputs of each branch.

    A network that runs the genotype of its limits `alone` has no weights for what only others would read.
    """

    def __init__(self, fields: FieldGroups, limits: CtrGenotype, *, alone: bool) -> None:
        self.limits = limits
        self._group = np.array(fields.groups)
        dims = self.dims_of(limits)
        self.fields = np.flatnonzero(dims)
        self._first = np.cumsum(dims) - dims
        num, entries = len(self.fields), int(dims.sum())
        self.sizes = {
            "x": entries,
            "fm": int(dims.max()) * limits.fm,
            "pairs": num * (num - 1) // 2 * limits.pairs,
            "dot": limits.dot * (limits.dot - 1) // 2,
            "cross": entries * (limits.cross > 0),
            "full_cross": entries * (limits.full_cross > 0),
            "gate": limits.gate * MASK_WIDTH,
            "attention": num * limits.attention * HEAD_SIZE,
        }
        ends = np.cumsum(list(self.sizes.values()))
        self._starts = dict(zip(self.sizes, (0, *ends[:-1].tolist()), strict=True))
        self.towers = limits.tower.width + limits.second.width
        everything: Ints = np.arange(ends[-1])
        self.to_tower, self.to_head = self.readers(limits) if alone else (everything, everything)

    def dims_of(self, genotype: CtrGenotype) -> Ints:
        """Gives the embedding dimension of every field of the log."""
        dims: Ints = np.array(genotype.dims)[self._group]
        return dims

    def readers(self, genotype: CtrGenotype) -> tuple[Ints, Ints]:
        """Gives the entries that the tower reads and those that the head reads, in the network's order."""
        parts = self.parts(genotype)
        whole = np.concatenate([self._starts[name] + entries for name, entries in parts.items()])
        embeddings = len(parts["x"])
        if not genotype.tower.depth:
            return whole[:0], whole
        if genotype.merge == "stacked":
            return whole, whole[:0]
        return whole[:embeddings], whole[embeddings:]

    def parts(self, genotype: CtrGenotype) -> dict[str, Ints]:
        """Gives the entries of the embeddings and of each branch that is there, counted within each."""
        g = genotype
        dims = self.dims_of(g)
        on = np.flatnonzero(dims)
        position = np.searchsorted(self.fields, on)
        x = np.concatenate([self._first[f] + np.arange(dims[f]) for f in on] or [np.arange(0)])
        late, early = np.tril_indices(len(on), -1)
        heads = np.arange(g.attention * HEAD_SIZE)
        per_field = self.limits.attention * HEAD_SIZE
        entries = {
            "fm": np.arange(dims.max()),
            "pairs": position[late] * (position[late] - 1) // 2 + position[early],
            "dot": np.arange(g.dot * (g.dot - 1) // 2),
            "cross": x,
            "full_cross": x,
            "gate": np.arange(g.gate * MASK_WIDTH),
            "attention": (position[:, None] * per_field + heads).ravel(),
        }
        return {"x": x} | {name: entries[name] for name in g.branches}
