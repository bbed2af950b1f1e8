"""What the quality benchmark makes of trained models, and that it goes on where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import nas_finalists, nas_market
from benchmarks.nas_finalists import Search, SearchBudget
from benchmarks.nas_market import Market, train, tune_rival, tune_trees
from benchmarks.nas_quality import Judged, compare, timings
from nas.ctr.fields import group_by_cardinality
from nas.ctr.genotype import CtrGenotype
from nas.generated_log import LogLaw, generate_log
from nas.training import TrainingSettings

if TYPE_CHECKING:
    from pathlib import Path

NOISE = np.random.default_rng(0).normal(scale=0.1, size=(1, 2000))


def judged(loss: float, p99: float, validation: float | None = None) -> Judged:
    return Judged(loss if validation is None else validation, loss + NOISE, p99 / 2, p99)


def market(folder: Path) -> Market:
    log = generate_log(LogLaw((3, 4, 30), num_pairs=2, num_triples=1), 700, np.random.default_rng(1))
    return Market(log.data, group_by_cardinality(log.data.num_ids), folder, 3, 2)


def test_beside_a_model_stands_the_best_on_validation_that_is_as_fast() -> None:
    finalists = [judged(0.28, 3.0), judged(0.29, 1.04), judged(0.27, 0.9, validation=0.30), judged(0.31, 0.5)]
    told = compare({"LR": judged(0.30, 1.0)}, finalists)
    assert told["models"]["LR"]["equal"]["p99_ms"] == 1.04
    assert told["models"]["LR"]["equal"]["difference"] == pytest.approx(-0.01)
    assert told["models"]["LR"]["equal"]["high"] < 0.0
    assert told["models"]["LR"]["faster"]["difference"] == pytest.approx(0.01)
    assert told["not_worse"]
    assert told["better_than_strongest"]
    assert not told["as_good_as_strongest_at_0.6"]


def test_a_model_that_no_searched_one_is_as_fast_as_is_not_matched() -> None:
    told = compare({"LR": judged(0.4, 1.0), "FM": judged(0.3, 5.0)}, [judged(0.3, 2.0)])
    assert told["models"]["LR"]["equal"] is None
    assert not told["not_worse"]
    assert told["strongest"] == "FM"
    assert not told["better_than_strongest"]
    assert told["as_good_as_strongest_at_0.6"]


def test_what_was_trained_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = market(tmp_path)
    genotype, settings = CtrGenotype((4, 4), fm=True), TrainingSettings(epochs=1)
    first = train(place, genotype, settings)
    monkeypatch.setattr(nas_market, "train_alone", None)
    again = train(place, genotype, settings)
    np.testing.assert_array_equal(again.losses, first.losses)
    assert (again.validation, again.cpu_seconds) == (first.validation, first.cpu_seconds)
    assert len(first.losses) == len(place.data.test)
    with pytest.raises(TypeError):
        train(place, genotype, TrainingSettings(epochs=2))


def test_finalists_and_rivals_are_trained_with_all_seeds_and_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = market(tmp_path)
    monkeypatch.setattr(nas_finalists, "POPULATION", 4)
    finalists = Search(place, SearchBudget(10, 20, num_paths=10, num_trained=4, num_finalists=2)).finalists()
    tuned = [*finalists, tune_rival(place, "FM")]
    assert [len(model.losses) for model in tuned] == [2, 2, 2]
    assert tuned[-1].genotype.fm
    trees = tune_trees(place, 10)
    times = timings(place, tuned, trees, retime=False)
    assert len(times) == 4
    assert all(0.0 < p50 <= p99 for p50, p99 in times)
    assert timings(place, tuned, trees, retime=False) == times
