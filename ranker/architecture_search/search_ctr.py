"""Searches a network for a log and a latency objective, and writes the best as a model directory."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nas.calibration.calibrate import CalibrationSettings, calibrate, spread_genotypes
from nas.calibration.runtimes import run_onnx
from nas.calibration.timing import TimingSettings, measure
from nas.ctr.fields import group_by_cardinality
from nas.ctr.search import Budget, CtrSearch, Objective
from nas.ctr.space import CtrSpace
from nas.export.ctr_graph import CtrInputs, Platt
from nas.export.trained import export_trained
from ranker.architecture_search.pareto_plot import pareto_plot
from ranker.architecture_search.searched_card import Evidence, describe_search
from ranker.errors import InvalidInputError
from ranker.scoring.calibration import fit_calibration
from ranker.scoring.card import Card, model_version
from ranker.scoring.metrics import evaluate
from ranker.scoring.model_store import write_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from nas.calibration.timing import Timing
    from nas.ctr.search import Found
    from ranker.architecture_search.search_data import SearchData

    Report = Callable[[int, int, str], None]

NUM_RESAMPLES = 500


@dataclass(frozen=True)
class SearchOptions:
    """What a search depends on besides the data."""

    objective: Objective
    created_at: datetime
    """Goes into the card; the newest model of a schema is the one that is served."""
    batch: int = 100
    """Candidates that are scored at once."""
    num_models: int = 150
    """Models whose latency calibrates the predictor."""
    budget: Budget = field(default_factory=Budget)
    timing: TimingSettings = field(default_factory=TimingSettings)

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise InvalidInputError("created_at", self.created_at.isoformat(), "must have a time zone")
        for name in ("batch", "num_models"):
            if getattr(self, name) < 1:
                raise InvalidInputError(name, getattr(self, name), "must be at least 1")
        if self.budget.training.seed < 0:
            raise InvalidInputError("seed", self.budget.training.seed, "must not be negative")

    @property
    def calibration(self) -> CalibrationSettings:
        """How latency is measured: as the ranker serves, on one thread of onnxruntime."""
        seed = self.budget.training.seed
        return CalibrationSettings("onnxruntime", 1, (self.batch,), self.num_models, seed, self.timing)


@dataclass(frozen=True)
class SearchedModel:
    """A model as written to `directory`, and what it was chosen from."""

    directory: Path
    card: Card
    found: Found


def search_ctr(
    data: SearchData, out: Path, latency: Path, options: SearchOptions, report: Report = lambda *_: None
) -> SearchedModel:
    """Calibrates, searches, retrains, judges, exports and writes `<out>/<schema_id>/<version>/`.

    Measured latencies are kept in `<latency>/<schema_id>/`, so that a later search need not measure again.

    Raises SearchError when no model is fast enough, or the exported file does not compute what torch does.
    """
    rows, schema = data.rows, data.schema
    inputs = CtrInputs(group_by_cardinality(rows.num_ids), rows.edges)
    space = CtrSpace(inputs.fields.num_groups)
    settings = options.calibration
    rng = np.random.default_rng(settings.seed)
    genotypes = spread_genotypes(space, inputs, options.num_models, rng)
    (calibration,) = calibrate(genotypes, inputs, settings, latency / schema.schema_id, report)
    search = CtrSearch(rows, space, calibration, options.objective, options.budget)
    found = search.run(settings, report)
    best = found.candidates[0]
    fitted = fit_calibration(best.logits.double().numpy(), rows.validation.clicks.astype(np.float64))
    exported = export_trained(inputs, best.subnet, Platt(fitted.scale, fitted.shift), rows.test)
    metrics = evaluate(rows.test.clicks.astype(np.float64), exported.chances, NUM_RESAMPLES, rng)
    evidence = Evidence(
        metrics, exported.difference, _time_file(exported.content, data, options), asdict(fitted), data.facts
    )
    details = describe_search(found, options.objective, evidence)
    card = Card(model_version(exported.content, schema), options.created_at, schema, details)
    plots = {"pareto.svg": pareto_plot(found, options.objective).encode()}
    return SearchedModel(write_model(out, card, exported.content, plots), card, found)


def _time_file(content: bytes, data: SearchData, options: SearchOptions) -> Timing:
    """Times the file that is served, on rows of the test part; it is its own probe."""
    rng, test = np.random.default_rng(options.budget.training.seed), data.rows.test
    chosen = rng.integers(len(test), size=options.batch)
    categorical = test.ids[chosen, data.rows.num_numeric :]
    run = run_onnx(content, test.numeric[chosen], categorical, options.calibration.threads)
    return measure([run], run, options.timing, rng)[0]
