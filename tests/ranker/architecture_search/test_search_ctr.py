"""From a log to a model that the ranker's scorer loads; and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from nas.calibration.timing import Timing, TimingSettings
from nas.ctr.search import Budget, Objective
from nas.export.trained import PARITY
from nas.generated_log import LogLaw
from nas.training import TrainingSettings
from ranker.architecture_search.command import search_command
from ranker.architecture_search.search_ctr import SearchOptions, search_ctr
from ranker.architecture_search.search_data import generate_search_data, read_search_data
from ranker.architecture_search.searched_ladder import choose_rungs
from ranker.errors import InvalidInputError, NotFoundError
from ranker.home import Home
from ranker.scoring.ladder_file import read_ladder
from ranker.scoring.metrics import log_loss
from ranker.scoring.onnx_scorer import OnnxScorer
from ranker.serving.home_loader import load_snapshot

if TYPE_CHECKING:
    from nas.ctr.search import Found

QUICK = TimingSettings(rounds=1, warm_up=1, visit_seconds=1e-6, min_runs=2, max_extra_rounds=0)
SMALL = Budget(10, 2, TrainingSettings(epochs=1, batch_size=128))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# An hour: no machine is too slow for it.
OPTIONS = SearchOptions(Objective(3600.0), NOW, 10, 20, SMALL, QUICK)
SCHEMA = """
schema_id = "shop"
label = "click"
fields = [
    { name = "hour", kind = "numeric", scope = "context" },
    { name = "country", kind = "categorical", scope = "context" },
    { name = "price", kind = "numeric", scope = "candidate" },
    { name = "brand", kind = "categorical", scope = "candidate" },
]
"""


def write_log(folder: Path, num_rows: int = 500) -> tuple[Path, Path]:
    rng = np.random.default_rng(1)
    rows = ["click,hour,country,price,brand"]
    for _ in range(num_rows):
        hour, price = rng.integers(24), rng.random()
        country, brand = rng.choice(["at", "de"]), f"b{rng.integers(5)}"
        click = int(rng.random() < 0.2 + 0.4 * (brand == "b1") + 0.2 * (price < 0.3))
        rows.append(f"{click},{hour},{country},{price:.3f},{brand}")
    data, schema = folder / "log.csv", folder / "schema.toml"
    data.write_text("\n".join(rows))
    schema.write_text(SCHEMA)
    return data, schema


def test_the_exported_model_is_loaded_by_the_scorer_and_is_what_the_card_says(tmp_path: Path) -> None:
    log = generate_search_data(800, 1, LogLaw((3, 4, 5), num_pairs=2, num_triples=1))
    searched = search_ctr(log, tmp_path / "models", tmp_path / "latency", OPTIONS)
    scorer = OnnxScorer.load(searched.directory)
    test = log.rows.test
    none = np.zeros(0, np.float32), np.zeros(0, np.int64)
    ctr = scorer.score(*none, np.zeros((len(test), 0), np.float32), test.ids)
    details = scorer.card.details
    loss = details["metrics"]["log_loss"]
    assert log_loss(test.clicks.astype(float), ctr, np.ones(len(test))) == pytest.approx(loss["value"])
    assert loss["low"] < loss["value"] < loss["high"]
    assert 0.0 <= details["export"]["largest_difference_to_torch"] <= PARITY
    latency = details["latency"]
    assert (latency["runtime"], latency["batch"], latency["threads"]) == ("onnxruntime", 10, 1)
    assert 0.0 < latency["predicted_seconds"] <= latency["upper_seconds"] <= 3600.0
    assert 0.0 < latency["measured"]["p50"] <= latency["measured"]["p99"]
    assert details["model"]["genotype"] == details["search"]["candidates"][0]["genotype"]
    assert details["training"]["parts"]["test"] == {
        "num_rows": len(test),
        "num_clicks": int(test.clicks.sum()),
    }
    assert {"torch", "onnxruntime", "python"} <= details["versions"].keys()
    assert (searched.directory / "pareto.svg").read_text().startswith("<svg")


def test_numbers_and_vocabularies_of_a_file_reach_the_scorer(tmp_path: Path) -> None:
    log = read_search_data(*write_log(tmp_path), seed=0, max_bad_rows=0)
    searched = search_ctr(log, tmp_path / "models", tmp_path / "latency", OPTIONS)
    scorer = OnnxScorer.load(searched.directory)
    assert scorer.schema.field("country").vocabulary == ("<unknown>", "at", "de")
    test = log.rows.test
    numeric, categorical = test.numeric, test.ids[:, 2:]
    ctr = np.concatenate(
        [
            scorer.score(numeric[i, :1], categorical[i, :1], numeric[[i], 1:], categorical[[i], 1:])
            for i in range(len(test))
        ]
    )
    loss = log_loss(test.clicks.astype(float), ctr, np.ones(len(test)))
    assert loss == pytest.approx(scorer.card.details["metrics"]["log_loss"]["value"], abs=1e-6)


def test_a_ladder_holds_the_front_and_is_what_a_service_loads(tmp_path: Path) -> None:
    log = generate_search_data(800, 1, LogLaw((3, 4, 5), num_pairs=2, num_triples=1))
    options = replace(OPTIONS, ladder=True, budget=replace(SMALL, num_candidates=3))
    searched = search_ctr(log, tmp_path / "models", tmp_path / "latency", options)
    assert searched.ladder is not None
    assert read_ladder(tmp_path / "models" / "generated" / "ladder.json") == searched.ladder
    served = load_snapshot(Home(tmp_path), None)
    assert served.ladders == {"generated": searched.ladder}
    best, *others = searched.ladder.rungs
    assert served.scorer("generated", "").version == best.model_version == searched.card.model_version
    candidates = [
        searched.found.candidates[place] for place in choose_rungs(searched.found, OPTIONS.objective)
    ]
    assert [rung.log_loss for rung in (best, *others)] == [candidate.loss for candidate in candidates]
    assert best.num_candidates == (1, 10, 16, 64, 256, 1024)


def test_a_candidate_that_is_slower_than_a_better_one_is_no_rung() -> None:
    timings = [Timing(seconds, seconds, 0.0, 1, 0) for seconds in (5.0, 6.0, 3.0, 3.0, 1.0)]
    candidates = [SimpleNamespace(timing=timing) for timing in timings]
    found = cast("Found", SimpleNamespace(candidates=candidates))
    assert choose_rungs(found, Objective(10.0)) == [0, 2, 4]


def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(search_command)
    return app


def test_the_command_prints_one_line_of_json(tmp_path: Path) -> None:
    data, schema = write_log(tmp_path)
    places = ["--out", str(tmp_path / "models"), "--latency", str(tmp_path / "latency")]
    # The calibration is there already: the command measures the candidates alone.
    search_ctr(read_search_data(data, schema, 0, 0), tmp_path / "models", tmp_path / "latency", OPTIONS)
    small = {"slo-ms": 3.6e6, "batch": 10, "models": 20, "trials": 5, "candidates": 1, "epochs": 1}
    options = [part for name, value in small.items() for part in (f"--{name}", str(value))]
    schema.rename(data.with_suffix(".toml"))  # where it is looked for
    result = CliRunner().invoke(command(), [str(data), *places, *options, "--json"], catch_exceptions=False)
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert OnnxScorer.load(Path(told["directory"])).version == told["model_version"]
    assert told["latency"]["objective_seconds"] == 3600.0
    assert told["metrics"].keys() >= {"log_loss", "auc"}
    assert told["search"]["candidates"][0]["genotype"] == told["model"]["genotype"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--quantile", "0.9"], r"quantile = 0\.9: must be 0\.5 or 0\.99"),
        (["log.csv"], r"schema = 'log\.toml': no such file"),
        (["--rows", "20"], "rows = 20: must be at least 500"),
        (["--batch", "0"], "batch = 0: must be at least 1"),
        (["--models", "0"], "num_models = 0: must be at least 1"),
        (["--seed", "-1"], "seed = -1: must not be negative"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str) -> None:
    with pytest.raises((InvalidInputError, NotFoundError), match=said):
        CliRunner().invoke(command(), arguments, catch_exceptions=False)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="created_at = '2026-01-01T00:00:00': must have a time zone"):
        SearchOptions(Objective(1.0), NOW.replace(tzinfo=None))


def test_the_command_is_told_of_without_what_learns() -> None:
    script = "import sys, ranker.architecture_search.command; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
