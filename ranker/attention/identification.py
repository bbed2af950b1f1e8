"""Which positions a log can compare: those linked by items that were clicked at both ends of the link."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from ranker.attention.kernel import kernel
from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.counts import Counts

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

# Clicks at each of two positions that give their ratio to ±10 % at 95 %: 2·(1.96 / 0.1)².
CLICKS_FOR_TEN_PERCENT = 769


class NotIdentifiedError(InvalidInputError):
    """The log holds no answer, however large it grows: its positions fall into groups never compared."""


@dataclass(frozen=True, slots=True)
class Identification:
    """The positions in groups: within a group their attention can be compared, across groups it cannot."""

    groups: tuple[tuple[int, ...], ...]  # in the order of their first position
    advice: str  # the data that would join the groups; "" where there is one

    @property
    def identified(self) -> bool:
        """Returns whether one curve over all positions exists."""
        return len(self.groups) == 1


def pair_clicks(counts: Counts, span: int | None = None) -> Floats:
    """Returns (k, k): the clicks at position j among items also shown at l, in Mantel–Haenszel weights.

    X_jl = Σᵢ c_ij·n_il / (n_ij + n_il) over the items shown at both, |j − l| ≤ `span` (None: any).
    E X_jl / E X_lj = a_j / a_l for any mix of items, because X_jl and X_lj weigh each item alike.
    Source: Mantel and Haenszel (1959), "Statistical aspects of the analysis of data".
    """
    result: Floats = _pair_clicks(
        counts.starts,
        counts.position,
        counts.impressions,
        counts.clicks,
        (counts.num_positions, counts.num_positions if span is None else span),
    )
    return result


def identify(counts: Counts, span: int | None = None) -> Identification:
    """Returns the groups of comparable positions.

    Positions j and l can be compared where chains of items lead from clicks at j to impressions at l and
    back: the strongly connected parts of the graph with an edge j → l where X_jl > 0.
    Source: Ford (1957), "Solution of a ranking problem from binary comparisons": the condition for a
    unique finite maximum.
    """
    graph = csr_matrix(np.sign(pair_clicks(counts, span)))
    num_groups, label = connected_components(graph, directed=True, connection="strong")
    groups = tuple(sorted(tuple(int(j) for j in np.flatnonzero(label == g)) for g in range(num_groups)))
    return Identification(groups, _advice(counts, groups))


def require_identified(counts: Counts, span: int | None = None) -> None:
    """Raises NotIdentifiedError, naming the groups and the data that would join them."""
    found = identify(counts, span)
    if not found.identified:
        groups = " | ".join(", ".join(str(j) for j in group) for group in found.groups)
        raise NotIdentifiedError(
            "log.position",
            groups,
            "not identifiable: attention cannot be compared between these groups of positions, because no "
            f"clicked items link them both ways. {found.advice}",
        )


def _advice(counts: Counts, groups: tuple[tuple[int, ...], ...]) -> str:
    if len(groups) == 1:
        return ""
    impressions, clicks = counts.by_position()
    ctr = (clicks + 0.5) / (impressions + 1.0)
    pairs = [(first[-1], second[0]) for first, second in pairwise(groups)]
    swaps = ", ".join(
        f"{above} and {below} in {_two_digits(CLICKS_FOR_TEN_PERCENT / min(ctr[above], ctr[below]))}"
        for above, below in pairs
    )
    return (
        f"Swap the items of positions {swaps} randomly chosen sessions (±10 % of their ratio), or shuffle "
        "whole slates in a share of the traffic"
    )


def _two_digits(number: float) -> int:
    return int(round(number, 1 - int(math.log10(number))))


@kernel
def _pair_clicks(
    starts: Ints, position: Ints, impressions: Floats, clicks: Floats, shape: tuple[int, int]
) -> Floats:
    k, span = shape
    result = np.zeros((k, k))
    for i in range(len(starts) - 1):
        for a in range(starts[i], starts[i + 1]):
            if clicks[a] == 0:
                continue
            for b in range(starts[i], starts[i + 1]):
                if a != b and abs(position[a] - position[b]) <= span:
                    share = impressions[b] / (impressions[a] + impressions[b])
                    result[position[a], position[b]] += clicks[a] * share
    return result
