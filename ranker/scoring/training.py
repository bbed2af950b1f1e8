"""Trains a CTR model from a data file and a schema file and writes it as a model directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from ranker.errors import InvalidInputError
from ranker.scoring.card import Card, model_version
from ranker.scoring.ctr_model import NumpyScorer
from ranker.scoring.dataset import read_click_log
from ranker.scoring.export import check_parity, export_onnx
from ranker.scoring.fitting import fit_model
from ranker.scoring.metrics import evaluate
from ranker.scoring.model_store import write_model
from ranker.scoring.plots import precision_recall_plot, reliability_plot
from ranker.scoring.report import describe_training
from ranker.scoring.schema_file import read_schema
from ranker.scoring.selection import Grid

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ranker.scoring.metrics import Estimate
    from ranker.scoring.selection import Progress


@dataclass(frozen=True)
class TrainingOptions:
    """What training depends on besides data and schema; equal options give equal bytes."""

    seed: int
    """Of the split by hash, the factors' start and the bootstrap."""
    created_at: datetime
    """Goes into the card; the newest model of a schema is the one that is served."""
    max_bad_rows: int = 0
    """More bad rows than this are an error; fewer are left out and counted in the card."""
    num_resamples: int = 500
    """Bootstrap resamples behind each interval."""
    grid: Grid = field(default_factory=Grid)
    """Penalties and numbers of factors to choose from."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InvalidInputError("seed", self.seed, "must not be negative")
        if self.max_bad_rows < 0:
            raise InvalidInputError("max_bad_rows", self.max_bad_rows, "must not be negative")
        if self.num_resamples < 2:
            raise InvalidInputError("num_resamples", self.num_resamples, "an interval needs at least 2")


@dataclass(frozen=True)
class TrainedModel:
    """A model as written to `directory`, and the same in numpy."""

    directory: Path
    card: Card
    scorer: NumpyScorer
    metrics: dict[str, Estimate]


def train_ctr(
    data: Path, schema: Path, out: Path, options: TrainingOptions, report: Progress = lambda *_: None
) -> TrainedModel:
    """Trains, judges, exports and writes `<out>/<schema_id>/<version>/`; `report` is told of each fit.

    Raises InvalidInputError or NotFoundError for what is wrong with the files, naming file, row and column.
    """
    given = read_schema(schema)
    log = read_click_log(data, given, options.max_bad_rows)
    fitted = fit_model(log, given, options.seed, options.grid, report)
    test = fitted.split.test
    numeric, categorical, clicks = log.numeric[test], fitted.categorical[test], log.clicks[test]
    ctr = fitted.seen_rates(test, fitted.model.predict(numeric, categorical))
    before = fitted.seen_rates(test, expit(fitted.model.raw_logits(numeric, categorical)))
    metrics = evaluate(clicks, ctr, options.num_resamples, np.random.default_rng(options.seed))
    content = export_onnx(fitted.model)
    parity = check_parity(content, fitted.model, numeric, categorical)
    details = describe_training(fitted, metrics, before)
    details["training"] |= {"data_file": data.name, "seed": options.seed}
    details["export"] = {"largest_difference_to_numpy": parity}
    card = Card(model_version(content, fitted.schema), options.created_at, fitted.schema, details)
    plots = {
        "reliability.png": reliability_plot(clicks, before, ctr, metrics["expected_calibration_error"]),
        "precision_recall.png": precision_recall_plot(clicks, ctr, metrics["pr_auc"]),
    }
    directory = write_model(out, card, content, plots)
    return TrainedModel(directory, card, NumpyScorer(card.model_version, card.schema, fitted.model), metrics)
