"""A CTR architecture in plain sizes: what of it is there, and how large."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final, Literal

from nas.errors import SearchError

Merge = Literal["stacked", "parallel"]


@dataclass(frozen=True)
class Tower:
    """Fully connected layers of one width; depth 0 is no tower."""

    depth: int = 0
    width: int = 0

    def __post_init__(self) -> None:
        if self.depth < 0 or self.width < 0 or (self.depth == 0) != (self.width == 0):
            raise SearchError("tower", (self.depth, self.width), "needs both a depth and a width, or neither")


NO_TOWER: Final = Tower()


@dataclass(frozen=True)
class CtrGenotype:
    """One network: embeddings → interaction branches → towers → logit. A size of 0 means: not there."""

    dims: tuple[int, ...]
    """Embedding dimension of each group of fields; 0 leaves its fields out."""
    wide: bool = True
    """A weight for every id, straight to the logit: logistic regression."""
    fm: bool = False
    """Sum of all products of two fields, a vector (Rendle 2010; He and Chua 2017)."""
    pairs: bool = False
    """Dot products of every two fields (Naumov et al. 2019, DLRM)."""
    dot: int = 0
    """Dot products of this many learned mixtures of the fields."""
    cross: int = 0
    """Cross layers of low rank (Wang et al. 2021, DCNv2)."""
    rank: int = 0
    """Their rank."""
    full_cross: int = 0
    """Cross layers with a full matrix."""
    gate: int = 0
    """Parallel mask blocks (Wang et al. 2021, MaskNet)."""
    attention: int = 0
    """Heads of one self-attention layer over the fields (Song et al. 2019, AutoInt)."""
    tower: Tower = NO_TOWER
    second: Tower = NO_TOWER
    """A tower on embeddings with learned gates, joined with the first by a bilinear form
    (Mao et al. 2023, FinalMLP)."""
    merge: Merge = "stacked"
    """Where the branches go: stacked into the tower's input, or parallel to it into the logit."""

    def __post_init__(self) -> None:
        if not self.dims or min(self.dims) < 0:
            raise SearchError("genotype.dims", self.dims, "must be one number ≥ 0 for each group of fields")
        for name in ("dot", "cross", "rank", "full_cross", "gate", "attention"):
            if getattr(self, name) < 0:
                raise SearchError(f"genotype.{name}", getattr(self, name), "must not be negative")
        if (self.cross == 0) != (self.rank == 0):
            raise SearchError("genotype.rank", self.rank, f"does not go with {self.cross} cross layers")
        if self.dot == 1:
            raise SearchError("genotype.dot", self.dot, "one mixture has no other to multiply with")
        if self.merge not in ("stacked", "parallel"):
            raise SearchError("genotype.merge", self.merge, "must be 'stacked' or 'parallel'")
        if self.second.depth and not self.tower.depth:
            raise SearchError("genotype.second", self.second, "needs a first tower")

    @property
    def branches(self) -> tuple[str, ...]:
        """The interaction branches that are there, in the order of their outputs."""
        return tuple(name for name in BRANCHES if getattr(self, name))

    def canonical(self) -> CtrGenotype:
        """Writes equal networks equally: what nothing reads is gone.

        Without embeddings only the wide part is left; `merge` says nothing without both branches and tower.
        """
        if not any(self.dims):
            return CtrGenotype(self.dims)
        if self.branches and self.tower.depth:
            return self
        return replace(self, merge="stacked")

    def check_within(self, limits: CtrGenotype) -> None:
        """Refuses what a network of these limits does not hold.

        Raises:
            SearchError: names the size that is too large.
        """
        if len(self.dims) != len(limits.dims):
            raise SearchError("genotype.dims", self.dims, f"must be {len(limits.dims)} dimensions")
        for name, size, limit in _sizes(self, limits):
            if size > limit:
                raise SearchError(f"genotype.{name}", size, f"is more than the network's {limit}")


BRANCHES: Final = ("fm", "pairs", "dot", "cross", "full_cross", "gate", "attention")


def _sizes(genotype: CtrGenotype, limits: CtrGenotype) -> list[tuple[str, int, int]]:
    """Lists all sizes beside their limits."""
    sizes = [(f"dims[{group}]", dim, limits.dims[group]) for group, dim in enumerate(genotype.dims)]
    for field in fields(CtrGenotype):
        one, other = getattr(genotype, field.name), getattr(limits, field.name)
        if isinstance(one, Tower):
            sizes.append((f"{field.name}.depth", one.depth, other.depth))
            sizes.append((f"{field.name}.width", one.width, other.width))
        elif isinstance(one, int):
            sizes.append((field.name, int(one), int(other)))
    return sizes


def union(genotypes: tuple[CtrGenotype, ...]) -> CtrGenotype:
    """Gives the least limits that hold all of these: the size of a network that they share."""
    first, *others = genotypes
    limits = first
    for other in others:
        limits = replace(
            limits,
            dims=tuple(map(max, limits.dims, other.dims)),
            tower=_larger(limits.tower, other.tower),
            second=_larger(limits.second, other.second),
            **{
                name: max(getattr(limits, name), getattr(other, name)) for name in ("wide", "rank", *BRANCHES)
            },
        )
    return limits


def _larger(one: Tower, other: Tower) -> Tower:
    return Tower(max(one.depth, other.depth), max(one.width, other.width))
