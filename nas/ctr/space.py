"""The CTR search space: choice blocks, and genotypes to and from their choices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nas.ctr.genotype import NO_TOWER, CtrGenotype, Tower, union
from nas.errors import SearchError
from nas.space import ChoiceBlock, SearchSpace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nas.space import Architecture


@dataclass(frozen=True)
class CtrSpace:
    """Every combination of these sizes; the first of each is the smallest.

    A genotype has many encodings where a choice is idle, such as a width without a depth: `decode` drops what
    nothing reads, `encode` writes it as the first operation.
    """

    num_groups: int
    dims: tuple[int, ...] = (0, 4, 8, 16, 32)
    dots: tuple[int | str, ...] = (0, 4, 8, 16, "all")
    """Mixtures to multiply, or all fields with each other."""
    crosses: tuple[tuple[int, int | str], ...] = (
        (0, 0),
        (1, 16),
        (2, 16),
        (3, 16),
        (1, 64),
        (2, 64),
        (3, 64),
        (1, "full"),
        (2, "full"),
    )
    """Layers and rank."""
    gates: tuple[int, ...] = (0, 1, 2)
    heads: tuple[int, ...] = (0, 1, 2)
    depths: tuple[int, ...] = (0, 1, 2, 3, 4)
    widths: tuple[int, ...] = (32, 64, 128, 256)
    seconds: tuple[tuple[int, int], ...] = ((0, 0), (1, 64), (2, 64), (2, 128))
    """Depth and width of the second tower."""

    def __post_init__(self) -> None:
        if self.num_groups < 1:
            raise SearchError("space.num_groups", self.num_groups, "must be at least 1")

    @cached_property
    def search_space(self) -> SearchSpace:
        """The same as the choice blocks that strategies see."""
        return SearchSpace(
            tuple(
                ChoiceBlock(name, tuple(_text(v) for v in values)) for name, values in self._choices.items()
            )
        )

    def decode(self, architecture: Architecture) -> CtrGenotype:
        """Gives the genotype of some choices, in canonical form."""
        self.search_space.check(architecture)
        chosen = dict(
            zip(
                self._choices,
                (values[c] for values, c in zip(self._choices.values(), architecture, strict=True)),
                strict=True,
            )
        )
        layers, rank = chosen["cross"]
        depth = chosen["depth"]
        return CtrGenotype(
            dims=tuple(chosen[f"dim {group}"] for group in range(self.num_groups)),
            wide=chosen["wide"],
            fm=chosen["fm"],
            pairs=chosen["dot"] == "all",
            dot=0 if chosen["dot"] == "all" else chosen["dot"],
            cross=0 if rank == "full" else layers,
            rank=0 if rank == "full" else rank,
            full_cross=layers if rank == "full" else 0,
            gate=chosen["gate"],
            attention=chosen["attention"],
            tower=Tower(depth, chosen["width"]) if depth else NO_TOWER,
            second=Tower(*chosen["second"]) if depth else NO_TOWER,
            merge=chosen["merge"],
        ).canonical()

    def encode(self, genotype: CtrGenotype) -> Architecture:
        """Gives the choices of a genotype.

        Raises:
            SearchError: names the size that this space does not offer.
        """
        g = genotype.canonical()
        wanted: dict[str, object] = {f"dim {group}": dim for group, dim in enumerate(g.dims)}
        wanted |= {
            "wide": g.wide,
            "fm": g.fm,
            "dot": "all" if g.pairs else g.dot,
            "cross": (g.full_cross, "full") if g.full_cross else (g.cross, g.rank),
            "gate": g.gate,
            "attention": g.attention,
            "depth": g.tower.depth,
            "width": g.tower.width if g.tower.depth else self.widths[0],
            "second": (g.second.depth, g.second.width),
            "merge": g.merge,
        }
        if wanted.keys() != self._choices.keys():
            raise SearchError("genotype.dims", g.dims, f"must be {self.num_groups} dimensions")
        for name, values in self._choices.items():
            if wanted[name] not in values:
                raise SearchError(f"genotype[{name}]", wanted[name], f"is none of {values}")
        architecture = tuple(values.index(wanted[name]) for name, values in self._choices.items())
        if self.decode(architecture) != g:
            raise SearchError("genotype", g, "has two branches of which this space offers one at a time")
        return architecture

    def size_ranges(self, architecture: Architecture) -> tuple[tuple[int, ...], ...]:
        """Gives for each block the operations that are the chosen operator in other sizes, smallest first."""
        return tuple(
            next(part for part in self.operators(block) if choice in part)
            for block, choice in zip(self._choices, architecture, strict=True)
        )

    def operators(self, block: str) -> tuple[tuple[int, ...], ...]:
        """Divides a block's operations by operator: sizes of one operator stay together.

        Raises:
            SearchError: there is no such block.
        """
        if block not in self._choices:
            raise SearchError("block", block, f"is none of {tuple(self._choices)}")
        parts: dict[object, list[int]] = {}
        for index, value in enumerate(self._choices[block]):
            parts.setdefault(_operator(value), []).append(index)
        return tuple(tuple(part) for part in parts.values())

    @property
    def limits(self) -> CtrGenotype:
        """The sizes of a network that holds every architecture of the space."""
        largest = tuple(len(values) - 1 for values in self._choices.values())
        blocks = list(self._choices)
        ways = [largest]
        for name, values in self._choices.items():
            index = blocks.index(name)
            ways += [(*largest[:index], choice, *largest[index + 1 :]) for choice in range(len(values))]
        return union(tuple(self.decode(way) for way in ways))

    @cached_property
    def _choices(self) -> Mapping[str, tuple[Any, ...]]:
        dims = {f"dim {group}": self.dims for group in range(self.num_groups)}
        return dims | {
            "wide": (False, True),
            "fm": (False, True),
            "dot": self.dots,
            "cross": self.crosses,
            "gate": self.gates,
            "attention": self.heads,
            "depth": self.depths,
            "width": self.widths,
            "second": self.seconds,
            "merge": ("stacked", "parallel"),
        }


def _operator(value: object) -> object:
    """Gives what has weights of its own: sizes of one operator share theirs, its absence has none."""
    if isinstance(value, tuple):
        return "full" if value[1] == "full" else value[0] > 0
    return value > 0 if type(value) is int else value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "×".join(map(str, value)) if value[0] else "no"
    return str(value)
