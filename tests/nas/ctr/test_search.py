"""The search against a latency that is known: a price for each multiply–add."""

from __future__ import annotations

import numpy as np
import pytest

from nas.calibration.calibrate import CalibrationSettings, spread_genotypes
from nas.calibration.records import Calibration, Record
from nas.calibration.runtimes import LatencyKey
from nas.calibration.timing import Timing
from nas.ctr import search
from nas.ctr.fields import group_by_cardinality
from nas.ctr.genotype import CtrGenotype
from nas.ctr.search import MAX_ROUNDS, Budget, CtrSearch, Found, Objective
from nas.ctr.space import CtrSpace
from nas.errors import SearchError
from nas.export.ctr_graph import CtrInputs
from nas.generated_log import LogLaw, generate_log
from nas.training import TrainingSettings, log_loss

DATA = generate_log(LogLaw((3, 4, 5, 20), num_pairs=2, num_triples=1), 1500, np.random.default_rng(1)).data
INPUTS = CtrInputs(group_by_cardinality(DATA.num_ids))
SPACE = CtrSpace(
    INPUTS.fields.num_groups,
    dims=(0, 4, 8),
    dots=(0, 4),
    crosses=((0, 0), (1, 16)),
    gates=(0,),
    heads=(0,),
    depths=(0, 1, 2),
    widths=(32, 64),
    seconds=((0, 0),),
)
KEY = LatencyKey("a device", "onnxruntime", "float32", 1, 10)
BUDGET = Budget(60, 3, TrainingSettings(epochs=1, batch_size=128))
TIMING = CalibrationSettings(batches=(10,))


def seconds(genotype: CtrGenotype) -> float:
    counts = Calibration(KEY, INPUTS, ()).counts([genotype])[0]
    return 1e-5 + 1e-9 * float(counts[6:12].sum())


def timed(genotype: CtrGenotype, factor: float = 1.0) -> Record:
    latency = factor * seconds(genotype)
    return Record(genotype, Timing(latency, 1.1 * latency, 0.0, 10, 0))


def run(monkeypatch: pytest.MonkeyPatch, slo: float, factor: float = 1.0) -> tuple[Found, list[int]]:
    rounds: list[int] = []

    def time_models(genotypes: list[CtrGenotype], *_: object) -> list[Record]:
        rounds.append(len(genotypes))
        return [timed(genotype, factor) for genotype in genotypes]

    monkeypatch.setattr(search, "time_models", time_models)
    drawn = spread_genotypes(SPACE, INPUTS, 30, np.random.default_rng(2))
    calibration = Calibration(KEY, INPUTS, tuple(timed(genotype) for genotype in drawn))
    found = CtrSearch(DATA, SPACE, calibration, Objective(slo, "p50"), BUDGET).run(TIMING)
    return found, rounds


def test_candidates_are_within_the_objective_and_the_best_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = spread_genotypes(SPACE, INPUTS, 30, np.random.default_rng(2))
    slo = float(np.median([seconds(genotype) for genotype in drawn]))
    found, rounds = run(monkeypatch, slo)
    assert found.agreed
    assert rounds[-1] == len(found.candidates) + found.num_too_slow <= BUDGET.num_candidates
    assert all(
        candidate.timing.p50 == seconds(candidate.point.genotype) <= slo for candidate in found.candidates
    )
    losses = [candidate.loss for candidate in found.candidates]
    assert losses == sorted(losses)
    best = found.candidates[0]
    assert best.loss == log_loss(best.logits, DATA.validation)
    assert best.subnet.genotype == best.point.genotype
    # Looked at on the supernet exactly where the bound is within the objective.
    assert all(np.isnan(point.supernet_loss) == (point.upper > slo) for point in found.points)
    assert any(np.isnan(point.supernet_loss) for point in found.points)
    known = {record.genotype for record in found.calibration.records}
    assert {candidate.point.genotype for candidate in found.candidates} <= known


def test_a_front_that_is_measured_otherwise_is_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found, rounds = run(monkeypatch, 1e-2, factor=3.0)
    assert len(rounds) > 1
    assert found.agreed or len(rounds) == MAX_ROUNDS
    assert len(found.calibration.records) > 30


def test_an_objective_that_no_model_meets_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SearchError, match=r"objective\.slo_seconds = 1e-09: the fastest model is predicted"):
        run(monkeypatch, 1e-9)
    monkeypatch.setattr(search, "MAX_ROUNDS", 1)
    with pytest.raises(SearchError, match=r"no model of the front was measured within it; the fastest took"):
        run(monkeypatch, 1e-2, factor=1e6)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Objective(0.0), r"objective\.slo_seconds = 0\.0"),
        (lambda: Objective(float("inf")), r"objective\.slo_seconds = inf"),
        (lambda: Objective(1.0, "p90"), r"objective\.quantile = 'p90'"),
        (lambda: Budget(num_trials=0), r"budget\.num_trials = 0"),
        (lambda: Budget(num_candidates=0), r"budget\.num_candidates = 0"),
    ],
)
def test_wrong_settings_are_named(make: object, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        make()  # type: ignore[operator]
