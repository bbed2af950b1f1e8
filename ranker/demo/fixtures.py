"""Reads the data of the demo: two logs of a fashion shop, its items, a census (`data/ATTRIBUTION.md`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pyarrow.parquet as parquet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

DATA = Path(__file__).parent / "data"
USER_FEATURES = ("user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")
# The shop's features are anonymous; these are the parts that they play in the demo.
PRICE, BRAND, CATEGORY = "item_feature_0", "item_feature_2", "item_feature_3"
ITEM_LEVELS = ("item_feature_1", BRAND, CATEGORY)
INCOME_CLASSES = ("<=50K", ">50K")


@dataclass(frozen=True, slots=True)
class Items:
    """What can be shown, in order of item id: row i is item i."""

    price: Floats  # (80,), standardised by the publisher
    levels: dict[str, Integers]  # by name of the feature, (80,), from 1

    @property
    def num_items(self) -> int:
        """Number of items."""
        return len(self.price)


@dataclass(frozen=True, slots=True)
class BanditLog:
    """One impression of one item a row, as the logging policy wrote it."""

    items: Integers  # (n,), the item shown
    positions: Integers  # (n,), from 0
    clicks: Floats  # (n,), 0 or 1
    propensities: Floats  # (n,), P(this item at this position) under the logging policy
    users: Integers  # (n, 4), levels of the user features, from 1
    affinity: NDArray[np.float32]  # (n, 80), of the user to every item
    seconds: Floats  # (n,), since the epoch

    @property
    def num_rows(self) -> int:
        """Number of impressions."""
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Census:
    """People with eight categorical fields and the income class that is to be guessed."""

    fields: dict[str, tuple[str, ...]]  # every value of each field, by name
    codes: Integers  # (n, 8), indices into the values
    classes: Integers  # (n,), indices into INCOME_CLASSES


@cache
def read_items() -> Items:
    """Read the 80 items of the campaign."""
    table = parquet.read_table(DATA / "obd_items.parquet")
    levels = {name: table[name].to_numpy().astype(np.int64) for name in ITEM_LEVELS}
    return Items(table[PRICE].to_numpy(), levels)


@cache
def read_log(policy: Literal["bts", "random"]) -> BanditLog:
    """Read the 10,000 impressions that a policy logged, oldest first."""
    table = parquet.read_table(DATA / f"obd_{policy}_all.parquet")
    affinity = np.zeros((table.num_rows, read_items().num_items), dtype=np.float32)
    lists = zip(table["affinity_items"].to_pylist(), table["affinity_values"].to_pylist(), strict=True)
    for row, (items, values) in enumerate(lists):
        affinity[row, items] = values
    return BanditLog(
        items=table["item_id"].to_numpy().astype(np.int64),
        positions=table["position"].to_numpy().astype(np.int64) - 1,
        clicks=table["click"].to_numpy().astype(np.float64),
        propensities=table["propensity"].to_numpy(),
        users=np.stack([table[name].to_numpy().astype(np.int64) for name in USER_FEATURES], axis=1),
        affinity=affinity,
        seconds=table["timestamp"].to_numpy().astype("datetime64[us]").astype(np.float64) / 1e6,
    )


@cache
def read_census() -> Census:
    """Read the 48,842 people."""
    table = parquet.read_table(DATA / "adult.parquet")
    columns = {
        name: table[name].combine_chunks().dictionary_encode()
        for name in table.column_names
        if name != "income"
    }
    classes = [INCOME_CLASSES.index(name) for name in table["income"].to_pylist()]
    return Census(
        fields={name: tuple(column.dictionary.to_pylist()) for name, column in columns.items()},
        codes=np.stack([column.indices.to_numpy().astype(np.int64) for column in columns.values()], axis=1),
        classes=np.array(classes, dtype=np.int64),
    )
