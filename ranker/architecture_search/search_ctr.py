"""Searches networks for a log and a latency objective, and writes the best, or a ladder of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta
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
from ranker.architecture_search.searched_ladder import calibrate_batches, choose_rungs, make_ladder
from ranker.errors import InvalidInputError
from ranker.scoring.calibration import fit_calibration
from ranker.scoring.card import Card, model_version
from ranker.scoring.ladder_file import write_ladder
from ranker.scoring.metrics import evaluate
from ranker.scoring.model_store import write_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from nas.calibration.timing import Timing
    from nas.ctr.search import Found
    from ranker.architecture_search.search_data import SearchData
    from ranker.scoring.ladder import Ladder

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
    ladder: bool = False
    """Whether all candidates that are faster than any better one are exported, as a ladder."""

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
    """The best model as written to `directory`, and what it was chosen from."""

    directory: Path
    card: Card
    found: Found
    ladder: Ladder | None


def search_ctr(
    data: SearchData, out: Path, latency: Path, options: SearchOptions, report: Report = lambda *_: None
) -> SearchedModel:
    """Calibrates, searches, retrains, judges, exports and writes `<out>/<schema_id>/<version>/`.

    The other models of a ladder are written before the best, and its manifest after it. Measured latencies
    are kept in `<latency>/<schema_id>/<digest of its sizes>/`, so that a later search need not measure again.

    Raises SearchError when no model is fast enough, or the exported file does not compute what torch does.
    """
    rows = data.rows
    inputs = CtrInputs(group_by_cardinality(rows.num_ids), rows.edges)
    folder = latency / data.schema.schema_id / inputs.digest
    space = CtrSpace(inputs.fields.num_groups)
    settings = options.calibration
    genotypes = spread_genotypes(space, inputs, options.num_models, np.random.default_rng(settings.seed))
    (calibration,) = calibrate(genotypes, inputs, settings, folder, report)
    found = CtrSearch(rows, space, calibration, options.objective, options.budget).run(settings, report)
    if not options.ladder:
        return SearchedModel(*_write(data, out, options, found, 0), found, None)
    # The best is written last and is the newest.
    rungs = choose_rungs(found, options.objective)
    written = {place: _write(data, out, options, found, place) for place in reversed(rungs)}
    others = calibrate_batches(genotypes, found.calibration, settings, folder, report)
    versions = {written[place][1].model_version: found.candidates[place] for place in rungs}
    ladder, details = make_ladder(data.schema.schema_id, versions, others, settings, options.objective)
    write_ladder(out, ladder, details)
    return SearchedModel(*written[0], found, ladder)


def _write(
    data: SearchData, out: Path, options: SearchOptions, found: Found, place: int
) -> tuple[Path, Card]:
    """Calibrates, exports, judges, times and writes the candidate at a place."""
    rows, candidate = data.rows, found.candidates[place]
    clicked = rows.test.clicks.astype(np.float64)
    fitted = fit_calibration(candidate.logits.double().numpy(), rows.validation.clicks.astype(np.float64))
    platt = Platt(fitted.scale, fitted.shift)
    exported = export_trained(found.calibration.inputs, candidate.subnet, platt, rows.test)
    rng = np.random.default_rng(options.budget.training.seed)
    metrics = evaluate(clicked, exported.chances, NUM_RESAMPLES, rng)
    timing = _time_file(exported.content, data, options)
    evidence = Evidence(metrics, exported.difference, timing, asdict(fitted), data.facts)
    card = Card(
        model_version(exported.content, data.schema),
        options.created_at - place * timedelta(microseconds=1),
        data.schema,
        describe_search(found, candidate, options.objective, evidence),
    )
    plots = {"pareto.svg": pareto_plot(found, options.objective).encode()}
    return write_model(out, card, exported.content, plots), card


def _time_file(content: bytes, data: SearchData, options: SearchOptions) -> Timing:
    """Times the file that is served, on rows of the test part; it is its own probe."""
    rng, test = np.random.default_rng(options.budget.training.seed), data.rows.test
    chosen = rng.integers(len(test), size=options.batch)
    categorical = test.ids[chosen, data.rows.num_numeric :]
    run = run_onnx(content, test.numeric[chosen], categorical, options.calibration.threads)
    return measure([run], run, options.timing, rng)[0]
