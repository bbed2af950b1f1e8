"""Public logs as `nas.click_data`: read, split and encoded by the ranker's own code."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.ctr_data import Prepared, prepare
from nas.click_data import ClickData, Columns, split_columns
from nas.generated_log import LogLaw, generate_log
from ranker.scoring.dataset import read_click_log
from ranker.scoring.schema import FeatureSchema, Field
from ranker.scoring.split import complete_schema, split_rows

_ADULT = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "country", "income",
]  # fmt: skip
_ADULT_NUMBERS = {"age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"}
_BANK_NUMBERS = {"V1", "V6", "V10", "V13", "V14", "V15"}
GENERATED = "generated"
PUBLIC = ("criteo_attr_1pct", "avazu_15k", "adult", "bank_marketing")


def load(name: str, folder: Path, num_rows: int = 250_000) -> tuple[ClickData, float | None]:
    """Returns one of PUBLIC from the folder of all data sets, or the generated log with its Bayes loss."""
    if name == GENERATED:
        log = generate_log(LogLaw(), num_rows, np.random.default_rng(0))
        return log.data, log.bayes_loss
    if name not in PUBLIC:
        raise SystemExit(f"{name!r} is none of {(GENERATED, *PUBLIC)}")
    if name == "adult":
        return encode(_adult(folder / "autoco_public")), None
    return encode(_bank(folder / name) if name == "bank_marketing" else prepare(folder / name)), None


def encode(prepared: Prepared) -> ClickData:
    """Splits by time where there is one, else by hash; vocabularies are the training part's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        prepared.rows.to_parquet(path)
        log = read_click_log(path, prepared.schema)
    split = split_rows(log, seed=0)
    schema = complete_schema(prepared.schema, log, split.train)
    num_ids = tuple(int(size) for size in schema.num_ids)
    columns = Columns(log.numeric, log.encode(schema), num_ids, log.clicks)
    return split_columns(schema.schema_id, columns, split.parts())


def _adult(folder: Path) -> Prepared:
    parts = [
        pd.read_csv(folder / "adult.data", names=_ADULT, skipinitialspace=True),
        pd.read_csv(folder / "adult.test", names=_ADULT, skipinitialspace=True, comment="|"),
    ]
    rows = pd.concat(parts, ignore_index=True).dropna(subset=["income"])
    rows["click"] = rows.pop("income").str.startswith(">50K").astype(float)
    return Prepared(rows, _schema("adult", list(rows.columns), _ADULT_NUMBERS))


def _bank(folder: Path) -> Prepared:
    rows = pd.read_csv(folder / "bank-marketing.csv")
    rows["click"] = (rows.pop("Class") == 2).astype(float)
    # The duration of the call is known only after it: it leaks the outcome.
    rows = rows.drop(columns="V12")
    return Prepared(rows, _schema("bank_marketing", list(rows.columns), _BANK_NUMBERS))


def _schema(name: str, columns: list[str], numbers: set[str]) -> FeatureSchema:
    fields = tuple(
        Field(column, "numeric" if column in numbers else "categorical", "candidate")
        for column in columns
        if column != "click"
    )
    return FeatureSchema(name, "click", fields)
