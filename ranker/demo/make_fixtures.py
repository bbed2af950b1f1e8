"""Regenerates the demo's data files from the originals: `python -m ranker.demo.make_fixtures --help`.

What is changed is said in `data/ATTRIBUTION.md`; change both together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

DATA = Path(__file__).parent / "data"
POLICIES = ("bts", "random")
USER_FEATURES = tuple(f"user_feature_{i}" for i in range(4))
ITEM_LEVELS = tuple(f"item_feature_{i}" for i in (1, 2, 3))
ADULT_COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
]
# The eight categorical fields of the AutoCO paper's protocol.
ADULT_FIELDS = (
    "workclass",
    "education",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native_country",
)


def main() -> None:
    """Reads the two folders and writes the Parquet files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "obd", type=Path, help="folder with {bts,random}/all/{all,item_context}.csv, as in obp"
    )
    parser.add_argument("adult", type=Path, help="folder with adult.data and adult.test, as at UCI")
    parser.add_argument("--out", type=Path, default=DATA)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    _write(_items(arguments.obd), arguments.out / "obd_items.parquet")
    logs = {
        policy: pd.read_csv(arguments.obd / policy / "all" / "all.csv", index_col=0) for policy in POLICIES
    }
    levels = {name: _by_frequency(pd.concat([log[name] for log in logs.values()])) for name in USER_FEATURES}
    for policy, log in logs.items():
        _write(_log(log, levels), arguments.out / f"obd_{policy}_all.parquet")
    _write(_adult(arguments.adult), arguments.out / "adult.parquet")


def _items(obd: Path) -> pa.Table:
    """Returns the 80 items; both logs describe the same ones, under hashes of their own."""
    tables = [pd.read_csv(obd / policy / "all" / "item_context.csv", index_col=0) for policy in POLICIES]
    first, second = (table.sort_values("item_id").assign(**_first_occurrence(table)) for table in tables)
    if not first.equals(second):
        raise SystemExit("the item contexts of the two logs differ in more than their hashes")
    columns = {"item_id": first["item_id"].astype("uint8"), "item_feature_0": first["item_feature_0"]}
    return pa.table({**columns, **{name: first[name] for name in ITEM_LEVELS}})


def _first_occurrence(table: pd.DataFrame) -> dict[str, pd.Series[int]]:
    """Numbers each level by the first item that has it, which the hashes do not change."""
    ordered = table.sort_values("item_id")
    return {
        name: pd.Series(pd.factorize(ordered[name])[0] + 1, ordered.index).astype("uint8")
        for name in ITEM_LEVELS
    }


def _by_frequency(values: pd.Series[str]) -> dict[str, int]:
    """Numbers the levels from 1, the most frequent first."""
    return {level: number for number, level in enumerate(values.value_counts().index, start=1)}


def _log(log: pd.DataFrame, levels: dict[str, dict[str, int]]) -> pa.Table:
    affinity = log[[f"user-item_affinity_{item}" for item in range(80)]].to_numpy()
    rows = [np.flatnonzero(row).astype(np.uint8) for row in affinity]
    users = {name: log[name].map(levels[name]).astype("uint8") for name in USER_FEATURES}
    return pa.table(
        {
            "timestamp": pd.to_datetime(log["timestamp"], format="ISO8601").astype("datetime64[us, UTC]"),
            "item_id": log["item_id"].astype("uint8"),
            "position": log["position"].astype("uint8"),
            "click": log["click"].astype("uint8"),
            "propensity": log["propensity_score"],
            **users,
            "affinity_items": pa.array(rows, pa.list_(pa.uint8())),
            "affinity_values": pa.array(
                [affinity[i, items] for i, items in enumerate(rows)], pa.list_(pa.float32())
            ),
        }
    )


def _adult(folder: Path) -> pa.Table:
    parts = [
        pd.read_csv(folder / name, names=ADULT_COLUMNS, skipinitialspace=True, comment="|", dtype=str)
        for name in ("adult.data", "adult.test")
    ]
    rows = pd.concat([part.dropna(subset="income") for part in parts], ignore_index=True)
    columns = {name: rows[name].astype("category") for name in ADULT_FIELDS}
    return pa.table({**columns, "income": rows["income"].str.rstrip(".").astype("category")})


def _write(table: pa.Table, path: Path) -> None:
    bare = table.replace_schema_metadata(None)
    parquet.write_table(bare, path, compression="zstd", compression_level=19, version="2.6")


if __name__ == "__main__":
    main()
