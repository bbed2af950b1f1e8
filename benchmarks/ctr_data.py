"""Prepares public click logs for the CTR benchmark: a Parquet file and its schema each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ranker.scoring.schema import FeatureSchema, Field

if TYPE_CHECKING:
    from pathlib import Path

_OPEN_BANDIT_LOG = "bts__all__all.csv"
_CONTEXT_OF_AVAZU = {"banner_pos", "C14", "C15", "C16", "C17", "C18", "C19", "C20", "C21"}


@dataclass(frozen=True)
class Prepared:
    """A log with the columns of its schema."""

    rows: pd.DataFrame
    schema: FeatureSchema


def prepare(folder: Path) -> Prepared:
    """Returns the log in a folder, recognised by its files."""
    if (folder / "small_train.parquet").is_file():
        return _criteo_attribution(folder)
    if (folder / "X_test_xsmall.csv").is_file():
        return _avazu(folder)
    if (folder / _OPEN_BANDIT_LOG).is_file():
        return _open_bandit(folder)
    raise FileNotFoundError(f"{folder}: neither the Criteo attribution, Avazu nor Open Bandit sample")


def _criteo_attribution(folder: Path) -> Prepared:
    # The index is the row number in a file sorted by time.
    rows = pd.read_parquet(folder / "small_train.parquet").rename_axis("time").reset_index()
    fields = tuple(_categorical(name, "candidate") for name in ("cat1", "cat4", "cat6", "cat8", "cat9"))
    return Prepared(rows, FeatureSchema("criteo_attribution", "click", fields, time="time"))


def _avazu(folder: Path) -> Prepared:
    rows = pd.read_csv(folder / "X_test_xsmall.csv", dtype=str)
    rows["click"] = pd.read_csv(folder / "y_test_xsmall.csv")["click"]
    fields = tuple(
        # Ids that occur once in ten thousand rows say nothing of their own, but are like those to come.
        _categorical(name, "candidate" if name in _CONTEXT_OF_AVAZU else "context", min_count=2)
        for name in rows.columns.drop("click")
    )
    return Prepared(rows, FeatureSchema("avazu", "click", fields))


def _open_bandit(folder: Path) -> Prepared:
    rows = pd.read_csv(folder / _OPEN_BANDIT_LOG)
    items = pd.read_csv(folder / _OPEN_BANDIT_LOG.replace("__all.csv", "__item_context.csv"))
    rows = rows.merge(items.drop(columns=items.columns[0]), on="item_id", how="left", validate="many_to_one")
    affinity = rows[[f"user-item_affinity_{item}" for item in range(len(items))]].to_numpy()
    rows["affinity"] = affinity[range(len(rows)), rows["item_id"]]
    fields = (
        *(_categorical(f"user_feature_{number}", "context") for number in range(4)),
        *(_categorical(name, "candidate") for name in ("item_id", *(f"item_feature_{n}" for n in (1, 2, 3)))),
        Field("item_feature_0", "numeric", "candidate"),
        Field("affinity", "numeric", "candidate"),
    )
    return Prepared(rows, FeatureSchema("open_bandit", "click", fields, time="timestamp"))


def _categorical(name: str, scope: str, min_count: int = 1) -> Field:
    return Field(name, "categorical", "context" if scope == "context" else "candidate", min_count=min_count)
