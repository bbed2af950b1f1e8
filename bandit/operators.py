"""How two features may meet: the operators of a pair, and how each of them is served by the exact search."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from bandit.errors import CreativeError
from bandit.fm import Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bandit.fm import FloatArray


class Operator(StrEnum):
    """What a pair of fields adds to the logit, from their vectors p, q and the operator's weights u, u'."""

    INNER = "inner"  # Σ p q
    PRODUCT = "product"  # Σ u p q
    PLUS = "plus"  # Σ u (p + q)
    MAX = "max"  # Σ u max(p, q)
    MIN = "min"  # Σ u min(p, q)
    CONCAT = "concat"  # Σ u p + Σ u' q


ADDITIVE = frozenset({Operator.PLUS, Operator.CONCAT})
"""Operators that say nothing about the pair: a number for each feature, which linear weights hold as well."""


def pair_term(operator: Operator, p: FloatArray, q: FloatArray, weights: FloatArray) -> FloatArray:
    """Computes the operator's part of the logit.

    Args:
        p, q: (…, K).
        weights: u and u' (2, K); `inner` needs none, only `concat` needs the second row.

    Source: Chen et al. (2021), Automated creative optimization for e-commerce advertising, section 4.2.
    """
    u, other = weights
    match operator:
        case Operator.INNER:
            meeting = p * q
        case Operator.PRODUCT:
            meeting = u * p * q
        case Operator.PLUS:
            meeting = u * (p + q)
        case Operator.MAX:
            meeting = u * np.maximum(p, q)
        case Operator.MIN:
            meeting = u * np.minimum(p, q)
        case Operator.CONCAT:
            meeting = u * p + other * q
    return np.asarray(meeting.sum(axis=-1))


@dataclass(frozen=True)
class PairTables:
    """A pairwise model of any operators, written out.

    offsets (F + 1,): rows of each field; bias (), linear (D,); tables: (f, g), f < g, to (n_f, n_g).
    """

    offsets: tuple[int, ...]
    bias: float
    linear: FloatArray
    tables: Mapping[tuple[int, int], FloatArray]

    def __post_init__(self) -> None:
        pairs = set(combinations(range(len(self.offsets) - 1), 2))
        for (f, g), table in self.tables.items():
            if (f, g) not in pairs:
                raise CreativeError("tables", (f, g), "must name two fields in order")
            shape = self.offsets[f + 1] - self.offsets[f], self.offsets[g + 1] - self.offsets[g]
            if table.shape != shape:
                raise CreativeError(f"tables[{f}, {g}]", table.shape, f"must be {shape}")

    def served(self) -> Parameters:
        """Writes the model as a factorization machine with exactly the same logits.

        A table is an inner product of one-hot vectors of its smaller field with its columns: it costs
        min(n_f, n_g) factors that are 0 everywhere else. So the search stays exact under every operator.
        """
        blocks = []
        for (f, g), table in sorted(self.tables.items()):
            small, large = (f, g) if table.shape[0] <= table.shape[1] else (g, f)
            values = table if small == f else table.T
            block = np.zeros((self.linear.size, len(values)))
            block[self.offsets[small] : self.offsets[small + 1]] = np.eye(len(values))
            block[self.offsets[large] : self.offsets[large + 1]] = values.T
            blocks.append(block)
        factors = np.concatenate(blocks, axis=1) if blocks else np.zeros((self.linear.size, 1))
        return Parameters(np.array(self.bias), self.linear, factors)
