"""Reads back what the server logged, from its Parquet export: the input of every judgement in the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from ranker.demo.evaluation import ReplayedPolicy
from ranker.demo.fixtures import INCOME_CLASSES, read_items
from ranker.demo.home import ADULT, FASHION, INCOME_SLOT
from ranker.replay.marginals import position_marginals

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ServedCreatives:
    """The census decisions with their rewards, in order of request id."""

    shown: Integers  # (n,), class that the creative showed
    propensities: Floats  # (n,), of that creative, as logged when it was chosen
    rewards: Floats  # (n,)
    floor: float  # share of uniformly random creatives


def read_replayed_policy(export: Path) -> ReplayedPolicy:
    """Rebuild P(item at position) of every replayed row from the logged mixtures."""
    table = _read(export, "mixtures").sort_by("decision_id")
    table = table.filter(pc.starts_with(table["decision_id"], FASHION))
    n = read_items().num_items
    ratios = table["exploration_ratio"].to_numpy()
    slates, probabilities = table["slates"].to_pylist(), table["probabilities"].to_pylist()
    marginals = np.stack(
        [
            position_marginals(np.array(slates[i]), np.array(probabilities[i]), n, float(ratios[i]))
            for i in range(table.num_rows)
        ]
    )
    rows = [int(name.removeprefix(f"{FASHION}-")) for name in table["decision_id"].to_pylist()]
    ctr = table["ctr"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, n)
    return ReplayedPolicy(np.array(rows), marginals, ctr, float(ratios.max()))


def read_creatives(export: Path) -> ServedCreatives:
    """Read which creative each census request was shown, with what chance, and whether it was right."""
    table = _read(export, "decisions").sort_by("decision_id")
    table = table.filter(pc.equal(table["schema_id"], ADULT))
    elements = [dict(row)[INCOME_SLOT] for row in table["creative_elements"].to_pylist()]
    return ServedCreatives(
        shown=np.array([INCOME_CLASSES.index(element) for element in elements]),
        propensities=table["creative_propensity"].to_numpy(),
        rewards=table["reward"].to_numpy(),
        floor=float(table["creative_floor"].to_numpy().min()),
    )


def _read(export: Path, name: str) -> pa.Table:
    path = export / f"{name}.parquet"
    return parquet.read_table(path if path.exists() else export / name)
