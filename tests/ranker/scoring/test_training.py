from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.scoring.dataset import read_click_log
from ranker.scoring.schema_file import read_schema
from ranker.scoring.split import split_rows
from ranker.scoring.training import TrainedModel, TrainingOptions, train_ctr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_same_seed_gives_the_same_bytes(
    files: Any, trained: TrainedModel, tmp_path: Path, options: TrainingOptions
) -> None:
    again = train_ctr(files.data, files.schema, tmp_path, options)
    assert content(again.directory) == content(trained.directory)
    other = train_ctr(files.data, files.schema, tmp_path, replace(options, seed=2))
    assert other.card.model_version != trained.card.model_version


def test_predictions_are_near_the_known_probabilities(files: Any, trained: TrainedModel) -> None:
    schema = trained.card.schema
    log = read_click_log(files.data, schema)
    test = split_rows(log, seed=1).test
    error = (
        trained.scorer.model.predict(log.numeric[test], log.encode(schema)[test]) - files.probabilities[test]
    )
    # A logistic model with 13 free effects, fitted to 6,000 rows, errs by √(13 / (6000 p (1 − p))) in its
    # logit, root mean square, times p (1 − p) in probability; p (1 − p) is about 0.15. Two more parameters
    # are fitted to 2,000 rows. Allow half as much again.
    expected = np.sqrt(0.15 * (13 / 6000 + 2 / 2000))
    assert np.sqrt((error**2).mean()) < 1.5 * expected


def test_the_calibration_error_is_within_model_error_and_chance(trained: TrainedModel) -> None:
    # |observed − predicted| ≤ |model error| + chance. The first is at most 1.5 √(0.15 · 0.00317) = 0.033 as
    # above; the second, a mean of ten half-normal terms, has a relative deviation of 0.24: allow 4 of them.
    calibration = trained.card.details["calibration"]
    bound = 0.033 + 2 * calibration["error_by_chance_alone"]
    assert trained.metrics["expected_calibration_error"].value < bound < 0.08
    assert trained.metrics["observed_predicted_ratio"].contains(1.0)


def test_calibration_repairs_a_click_rate_that_moved(
    make_log: Callable[..., Any], tmp_path: Path, options: TrainingOptions
) -> None:
    day = np.arange(6000)
    # From the first validation row on, the odds of a click are three times as high.
    files = make_log(tmp_path / "log", 6000, day=day, drift=np.log(3.0) * (day >= 3600))
    details = train_ctr(files.data, files.schema, tmp_path, options).card.details
    before, after = details["calibration"]["before"], details["calibration"]["after"]
    assert before["expected_calibration_error"] > 0.15
    assert after["expected_calibration_error"] < 0.05
    assert details["training"]["parts"]["validation"]["time_range"] == ["3600.0", "4799.0"]


def test_nothing_of_the_later_parts_enters_the_model(
    make_log: Callable[..., Any], tmp_path: Path, options: TrainingOptions
) -> None:
    day = np.arange(2000)
    later = day >= 1200
    files = make_log(
        tmp_path / "log",
        2000,
        day=day,
        item=np.where(later, "new", "old").tolist(),
        hour=np.where(later, 99.0, day % 24).astype(np.float32),
    )
    trained = train_ctr(files.data, files.schema, tmp_path, options)
    assert trained.card.schema.field("item").vocabulary == ("<unknown>", "old")
    assert trained.scorer.model.design.high[0] == 23.0


def test_clicks_that_are_still_to_come_are_not_learned_as_negatives(
    make_log: Callable[..., Any], tmp_path: Path, options: TrainingOptions
) -> None:
    # Delays are log-normal, ages such that half of the clicks have come.
    rng = np.random.default_rng(3)
    ages, delays = rng.exponential(1.0, 30_000), np.exp(rng.normal(-0.5, 1.0, 30_000))
    probabilities = make_log(tmp_path / "all", 30_000).probabilities
    come = (rng.random(30_000) < probabilities) & (delays <= ages)
    late = make_log(
        tmp_path / "late",
        30_000,
        click=come.astype(int),
        age=ages,
        delay=[delay if c else None for delay, c in zip(delays.tolist(), come, strict=True)],
    )
    trained = train_ctr(late.data, late.schema, tmp_path, options)
    log = read_click_log(late.data, trained.card.schema)
    ctr = trained.scorer.model.predict(log.numeric, log.encode(trained.card.schema))
    # A third of 18,000 rows' clicks are seen, about 2,100: 2.2 % is one standard error; four of them.
    assert come.mean() < 0.6 * probabilities.mean()
    assert ctr.mean() == pytest.approx(probabilities.mean(), rel=0.09)
    parts = trained.card.details["training"]["parts"]
    assert 0.4 < parts["train"]["share_of_clicks_that_have_come"] < 0.6
    # The metrics judge what can be judged: the clicks that have come.
    assert trained.metrics["observed_predicted_ratio"].contains(1.0)
    assert any("still come" in note for note in trained.card.details["notes"])


def test_few_clicks_leave_the_base_rate_and_the_card_says_so(
    make_log: Callable[..., Any], tmp_path: Path, options: TrainingOptions
) -> None:
    files = make_log(tmp_path / "log", 10_000, base=-5.3, effect=0.0)
    trained = train_ctr(files.data, files.schema, tmp_path, options)
    parts = trained.card.details["training"]["parts"]
    assert sum(part["num_clicks"] for part in parts.values()) < 60
    log = read_click_log(files.data, trained.card.schema)
    ctr = trained.scorer.model.predict(log.numeric, log.encode(trained.card.schema))
    assert ctr.max() / ctr.min() < 1.5
    # 50 clicks have a relative deviation of 0.14, the calibration's shift of 0.3 at most as much again.
    assert ctr.mean() == pytest.approx(log.clicks.mean(), rel=0.5)
    assert any("contains 0.5" in note for note in trained.card.details["notes"])


def test_the_card_tells_where_the_model_comes_from(files: Any, trained: TrainedModel) -> None:
    card = json.loads((trained.directory / "card.json").read_text())
    assert card["training"]["data_sha256"] == hashlib.sha256(files.data.read_bytes()).hexdigest()
    assert card["training"]["seed"] == 1
    assert sum(part["num_rows"] for part in card["training"]["parts"].values()) == 10_000
    assert card["created_at"] == "2020-01-02T00:00:00+00:00"
    assert card["export"]["largest_difference_to_numpy"] <= 1e-6
    assert card["notes"] == []
    assert card["model"]["kind"] == "logistic regression"
    auc = card["metrics"]["auc"]
    assert 0.5 < auc["low"] < auc["value"] < auc["high"] < 1.0


def test_vocabularies_of_the_card_are_the_training_part_s(files: Any, trained: TrainedModel) -> None:
    assert read_schema(files.schema).field("item").vocabulary is None
    assert trained.card.schema.field("item").vocabulary == ("<unknown>", *(f"item {n}" for n in range(6)))


def test_plots_are_png_files(trained: TrainedModel) -> None:
    for name in ("reliability.png", "precision_recall.png"):
        assert (trained.directory / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("change", [{"seed": -1}, {"max_bad_rows": -1}, {"num_resamples": 1}])
def test_broken_options_are_refused(options: TrainingOptions, change: dict[str, int]) -> None:
    ((name, value),) = change.items()
    with pytest.raises(InvalidInputError, match=f"{name} = {value}"):
        replace(options, **change)
