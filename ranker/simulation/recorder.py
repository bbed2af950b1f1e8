"""Writes a simulated run as the log of a real one: the tables of `adranker export`, a part a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as parquet

from ranker.events.export_tables import (
    DECISIONS,
    MIXTURES,
    REQUESTS,
    microseconds,
    mixture_row,
    position_rows,
)
from ranker.events.request_codec import encode_request

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ranker.simulation.policy import Served
    from ranker.simulation.world import Outcomes

    Floats: TypeAlias = NDArray[np.float64]

# The first simulated second, in seconds since the epoch: a Monday, 2024-01-01, UTC.
START = 1_704_067_200.0

SCHEMA_TEXT = """schema_id = "simulation"
label = "click"

[[fields]]
name = "segment"
kind = "categorical"
scope = "context"
size = {size}
"""


@dataclass(frozen=True, slots=True)
class LogRecorder:
    """Writes below `folder`; every click is joined, every silence a 0."""

    folder: Path

    def start(self, num_segments: int) -> None:
        """Makes the folders, and the home whose schema the requests name."""
        for name in ("decisions", "mixtures", "requests", "home/schemas"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        text = SCHEMA_TEXT.format(size=num_segments + 1)
        (self.folder / "home" / "schemas" / "simulation.toml").write_text(text)

    def record(self, part: int, served: Served, outcomes: Outcomes, seconds: Floats) -> None:
        """Writes the batch under its number; writing it again changes nothing."""
        decisions = [
            replace(decision, created_at=START + at)
            for decision, at in zip(served.decisions, seconds.tolist(), strict=True)
        ]
        rewards = outcomes.clicked.astype(float).tolist()
        k = outcomes.clicked.shape[1]
        first = part * 1_000_000
        rows = [
            row
            for b, decision in enumerate(decisions)
            for row in position_rows(
                decision, {j: (first + b * k + j, rewards[b][j], False) for j in range(k)}
            )
        ]
        requests = [
            {
                "decision_id": d.decision_id,
                "created_at": microseconds(d.created_at),
                "record": encode_request(r),
            }
            for d, r in zip(decisions, served.requests, strict=True)
        ]
        self._write("decisions", part, pa.Table.from_pylist(rows, schema=DECISIONS))
        self._write(
            "mixtures", part, pa.Table.from_pylist([mixture_row(d) for d in decisions], schema=MIXTURES)
        )
        self._write("requests", part, pa.Table.from_pylist(requests, schema=REQUESTS))

    def _write(self, name: str, part: int, table: pa.Table) -> None:
        draft = self.folder / name / ".draft"
        parquet.write_table(table, draft, compression="zstd")
        draft.rename(self.folder / name / f"part-{part:06d}.parquet")
