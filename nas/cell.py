"""Cells whose operations sit on the edges of a graph, and ways to write them for a predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError
from nas.space import ChoiceBlock, SearchSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nas.space import Architecture, FloatArray


@dataclass(frozen=True)
class Cell:
    """A directed graph from node 0 to the last node; each edge carries one of the same operations."""

    edges: tuple[tuple[int, int], ...]
    operations: tuple[str, ...]
    absent: str = "none"
    """The operation that cuts its edge."""

    def __post_init__(self) -> None:
        if any(not 0 <= tail < head for tail, head in self.edges):
            raise SearchError("cell.edges", self.edges, "must lead from a lower to a higher node")
        if self.absent not in self.operations:
            raise SearchError("cell.absent", self.absent, f"is none of {self.operations}")

    @property
    def space(self) -> SearchSpace:
        """One choice block an edge."""
        return SearchSpace(tuple(ChoiceBlock(f"{a}->{b}", self.operations) for a, b in self.edges))

    def paths(self) -> list[tuple[int, ...]]:
        """Lists the edges (by index) of every way from the first node to the last."""
        last = max(head for _, head in self.edges)

        def onward(node: int) -> list[tuple[int, ...]]:
            if node == last:
                return [()]
            leaving = [(index, head) for index, (tail, head) in enumerate(self.edges) if tail == node]
            return [(index, *rest) for index, head in leaving for rest in onward(head)]

        return onward(0)

    def path_encoding(self, architectures: Sequence[Architecture]) -> FloatArray:
        """Writes which sequences of operations lead through each cell, (n, Σ_l m^l) of 0 and 1.

        m operations that are not absent; l runs over the lengths of paths. Cells that compute the same have
        the same code more often than in one-hot form.

        Source: White et al. 2021, BANANAS (arXiv 1910.11858), section 4.
        """
        cells = np.asarray(architectures, np.intp).reshape(len(architectures), len(self.edges))
        absent = self.operations.index(self.absent)
        lengths = sorted({len(path) for path in self.paths()})
        starts, width = {}, 0
        for length in lengths:
            starts[length], width = width, width + (len(self.operations) - 1) ** length
        encoded = np.zeros((len(cells), width))
        for path in self.paths():
            chosen = cells[:, path]
            whole = np.flatnonzero((chosen != absent).all(axis=1))
            code = np.zeros(len(cells), np.intp)
            for step in range(len(path)):
                present = chosen[:, step] - (chosen[:, step] > absent)
                code = code * (len(self.operations) - 1) + present
            encoded[whole, starts[len(path)] + code[whole]] = 1.0
        return encoded

    def operation_counts(self, architectures: Sequence[Architecture]) -> FloatArray:
        """Counts each operation, and again on live edges only, (n, 2 m): what a latency is made of.

        An edge is live on a path of present operations. A runtime that prunes the rest pays for live edges,
        one that does not for all of them; fitted prices tell which it is.
        """
        cells = np.asarray(architectures, np.intp).reshape(len(architectures), len(self.edges))
        present = cells != self.operations.index(self.absent)
        live = np.zeros_like(present)
        for path in self.paths():
            live[:, path] |= present[:, path].all(axis=1, keepdims=True)
        chosen = cells[:, :, None] == np.arange(len(self.operations))
        return np.concatenate(
            [chosen.sum(axis=1), (chosen & live[:, :, None]).sum(axis=1)], axis=1, dtype=np.float64
        )

    def adjacency(self) -> FloatArray:
        """Writes which edges follow each other, with input and output, (e + 2, e + 2), normalised by rows.

        Edges of the cell are the nodes of this graph: input 0, edge i at i + 1, output e + 1.
        """
        num, last = len(self.edges), max(head for _, head in self.edges)
        matrix = np.eye(num + 2)
        for i, (tail, head) in enumerate(self.edges):
            matrix[0, i + 1] = tail == 0
            matrix[i + 1, num + 1] = head == last
            for j, (other, _) in enumerate(self.edges):
                matrix[i + 1, j + 1] += other == head
        rows: FloatArray = matrix / matrix.sum(axis=1, keepdims=True)
        return rows
