"""The rows of a search: a click log with its schema, or one drawn from a known law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.click_data import Columns, split_columns
from nas.generated_log import LogLaw, generate_log
from ranker.errors import InvalidInputError
from ranker.scoring.dataset import read_click_log
from ranker.scoring.schema import FeatureSchema, Field
from ranker.scoring.schema_file import read_schema
from ranker.scoring.split import TRAIN_SHARE, VALIDATION_SHARE, complete_schema, split_rows

if TYPE_CHECKING:
    from pathlib import Path

    from nas.click_data import ClickData


MIN_ROWS = 500


@dataclass(frozen=True)
class SearchData:
    """A log as a search sees it, and as the card tells of it."""

    schema: FeatureSchema
    """With vocabularies."""
    rows: ClickData
    facts: dict[str, Any]
    """For the card."""


def read_search_data(data: Path, schema: Path, seed: int, max_bad_rows: int) -> SearchData:
    """Reads and divides a log as `adranker train-ctr` does.

    Raises InvalidInputError or NotFoundError for what is wrong with the files, naming file, row and column.
    """
    given = read_schema(schema)
    log = read_click_log(data, given, max_bad_rows)
    split = split_rows(log, seed)
    complete = complete_schema(given, log, split.train)
    num_ids = tuple(int(size) for size in complete.num_ids)
    columns = Columns(log.numeric, log.encode(complete), num_ids, log.clicks)
    rows = split_columns(complete.schema_id, columns, split.parts())
    facts = {
        "data_file": data.name,
        "data_sha256": log.sha256,
        "num_bad_rows": log.num_bad_rows,
        "split": f"{split.method}, {TRAIN_SHARE:.0%} / {VALIDATION_SHARE:.0%} / rest",
    }
    return SearchData(complete, rows, facts | {"parts": _parts(rows)})


def generate_search_data(num_rows: int, seed: int, law: LogLaw | None = None) -> SearchData:
    """Draws a log from a law; its card tells the loss that no model can beat.

    Raises InvalidInputError for too few rows for three parts with and without clicks.
    """
    if num_rows < MIN_ROWS:
        raise InvalidInputError("rows", num_rows, f"must be at least {MIN_ROWS}")
    chosen = law or LogLaw()
    log = generate_log(chosen, num_rows, np.random.default_rng(seed))
    fields = tuple(
        Field(f"field_{place}", "categorical", "candidate", size=size)
        for place, size in enumerate(chosen.num_ids)
    )
    facts = {"data_file": None, "generated_rows": num_rows, "bayes_log_loss": log.bayes_loss}
    return SearchData(
        FeatureSchema("generated", "click", fields), log.data, facts | {"parts": _parts(log.data)}
    )


def _parts(rows: ClickData) -> dict[str, dict[str, int]]:
    parts = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    return {
        name: {"num_rows": len(part), "num_clicks": int(part.clicks.sum())} for name, part in parts.items()
    }
