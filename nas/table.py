"""Tabulated benchmarks: every architecture of a small space with measured accuracies and latencies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nas.cell import Cell
from nas.errors import SearchError
from nas.trial import Trial

if TYPE_CHECKING:
    from pathlib import Path

    from nas.space import Architecture, FloatArray

NAS_BENCH_201_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


@dataclass(frozen=True)
class TabulatedBenchmark:
    """What was measured of every architecture of a cell."""

    cell: Cell
    rows: dict[Architecture, int]
    accuracy: FloatArray
    """(n, seeds), percent; nan where a seed is missing."""
    latency: dict[str, FloatArray]
    """Milliseconds (n,) by device and batch."""

    @property
    def mean_accuracy(self) -> FloatArray:
        """(n,): what an architecture is judged by."""
        mean: FloatArray = np.nanmean(self.accuracy, axis=1)
        return mean

    def reordered(self, operations: tuple[str, ...]) -> TabulatedBenchmark:
        """Numbers the operations in another order, such as that of rising size.

        Raises:
            SearchError: they are not those of the cell.
        """
        if sorted(operations) != sorted(self.cell.operations):
            raise SearchError("operations", operations, f"must be {self.cell.operations} in some order")
        place = [operations.index(name) for name in self.cell.operations]
        rows = {tuple(place[o] for o in architecture): row for architecture, row in self.rows.items()}
        return replace(self, cell=replace(self.cell, operations=operations), rows=rows)

    def query(self, architecture: Architecture, rng: np.random.Generator, device: str | None = None) -> Trial:
        """Evaluates once: the accuracy of one training seed, drawn at random, as a search would see it."""
        row = self.rows[architecture]
        known = np.flatnonzero(~np.isnan(self.accuracy[row]))
        quality = float(self.accuracy[row, rng.choice(known)])
        if device is None:
            return Trial(architecture, quality)
        return Trial(architecture, quality, float(self.latency[device][row]))


def read_nas_bench_201(path: Path, data_set: str = "cifar100") -> TabulatedBenchmark:
    """Reads NAS-Bench-201 (Dong and Yang 2020, arXiv 2001.00326) with HELP's latencies from one npz.

    It holds `ops` (n, 6), `op_names`, `val_acc_<data_set>` (n, seeds) and `latency_ms_<device>` (n,).

    Raises:
        SearchError: the file lacks one of them; the array and what is there are named.
    """
    with np.load(path, allow_pickle=False) as stored:
        wanted = ("ops", "op_names", f"val_acc_{data_set}")
        for name in wanted:
            if name not in stored.files:
                raise SearchError("path", str(path), f"has no array {name}; it has {sorted(stored.files)}")
        operations, names, accuracy = (stored[name] for name in wanted)
        latency = {
            name.removeprefix("latency_ms_"): stored[name].astype(np.float64)
            for name in stored.files
            if name.startswith("latency_ms_")
        }
    rows = {tuple(int(o) for o in chosen): index for index, chosen in enumerate(operations)}
    cell = Cell(NAS_BENCH_201_EDGES, tuple(str(name) for name in names))
    return TabulatedBenchmark(cell, rows, accuracy.astype(np.float64), latency)
