"""A calibration of real models: kept, resumed, and refused where it does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.calibration.calibrate import CalibrationSettings, calibrate, spread_genotypes
from nas.calibration.records import read_calibration, write_calibration
from nas.calibration.runtimes import LatencyKey, device_name, make_runtime
from nas.calibration.timing import TimingSettings
from nas.ctr.fields import group_by_cardinality
from nas.ctr.genotype import CtrGenotype, Tower
from nas.ctr.genotype_json import genotype_from_object, genotype_to_object
from nas.ctr.space import CtrSpace
from nas.errors import SearchError
from nas.export.ctr_graph import CtrInputs, count_work

INPUTS = CtrInputs(group_by_cardinality((3, 8, 40)), (np.array([0.0, 1.0]),))
SPACE = CtrSpace(INPUTS.fields.num_groups)
QUICK = TimingSettings(rounds=1, warm_up=1, visit_seconds=1e-6, min_runs=2, max_extra_rounds=0)
SETTINGS = CalibrationSettings(batches=(4,), num_models=20, timing=QUICK)


def test_models_of_all_sizes_are_chosen() -> None:
    chosen = spread_genotypes(SPACE, INPUTS, 30, np.random.default_rng(1))
    assert len(set(chosen)) == 30
    again = spread_genotypes(SPACE, INPUTS, 30, np.random.default_rng(1))
    assert chosen == again
    macs = sorted(count_work(INPUTS, genotype, 1)[6:12].sum() for genotype in chosen)
    assert macs[0] < 0.02 * macs[-1]


def test_a_calibration_is_written_read_resumed_and_fitted(tmp_path: Path) -> None:
    genotypes = spread_genotypes(SPACE, INPUTS, 20, np.random.default_rng(2))
    (first,) = calibrate(genotypes[:12], INPUTS, SETTINGS, tmp_path)
    path = tmp_path / f"{first.key.slug}.json"
    assert [record.timing for record in read_calibration(path).records] == [r.timing for r in first.records]
    (whole,) = calibrate(genotypes, INPUTS, SETTINGS, tmp_path)
    assert whole.records[:12] == first.records
    assert [record.genotype for record in whole.records] == genotypes
    predicted = whole.fit("p50", np.random.default_rng(3)).predict(whole.counts(genotypes))
    assert (predicted > 0.0).all()
    other = CtrInputs(group_by_cardinality((3, 8, 41)))
    with pytest.raises(SearchError, match=r"inputs\.num_ids = \(3, 8, 41\)"):
        calibrate(genotypes, other, SETTINGS, tmp_path)


def test_bins_that_lie_elsewhere_use_what_was_measured_and_are_exported(tmp_path: Path) -> None:
    first, moved = (
        CtrInputs(group_by_cardinality((3, 8)), (np.array([cut, cut + 1.0]),)) for cut in (0.0, 5.0)
    )
    space = CtrSpace(first.fields.num_groups)
    genotypes = spread_genotypes(space, first, 20, np.random.default_rng(2))[:2]
    (measured,) = calibrate(genotypes, first, SETTINGS, tmp_path)
    (known,) = calibrate(genotypes, moved, SETTINGS, tmp_path)
    assert known.records == measured.records
    assert known.inputs is moved
    assert first.digest == moved.digest
    assert CtrInputs(first.fields).digest != first.digest, "a field that is an id is no number"


def test_a_model_that_is_measured_again_is_replaced(tmp_path: Path) -> None:
    genotypes = spread_genotypes(SPACE, INPUTS, 20, np.random.default_rng(2))
    (first,) = calibrate(genotypes[:3], INPUTS, SETTINGS, tmp_path)
    (again,) = calibrate(genotypes[:3], INPUTS, SETTINGS, tmp_path / "again")
    merged = first.extended([again.records[0]])
    assert merged.records == (again.records[0], *first.records[1:])


def test_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="no such file"):
        read_calibration(tmp_path / "none.json")
    genotypes = spread_genotypes(SPACE, INPUTS, 20, np.random.default_rng(2))
    (calibration,) = calibrate(genotypes[:1], INPUTS, SETTINGS, tmp_path)
    path = write_calibration(calibration, tmp_path)
    content = json.loads(path.read_text())
    content["records"][0]["genotype"]["depth"] = 3
    path.write_text(json.dumps(content))
    with pytest.raises(SearchError, match=r"genotype\.depth = 3: is missing or unknown"):
        read_calibration(path)
    path.write_text("{}")
    with pytest.raises(SearchError, match="is no calibration"):
        read_calibration(path)


def test_genotypes_survive_json() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        genotype = SPACE.decode(SPACE.search_space.sample(rng))
        assert genotype_from_object(json.loads(json.dumps(genotype_to_object(genotype)))) == genotype
    with pytest.raises(SearchError, match="genotype = 3"):
        genotype_from_object(3)


@pytest.mark.parametrize("name", ["onnxruntime", "torch", "torch-cuda", "torch-cuda-graph"])
def test_every_runtime_runs_a_model(name: str) -> None:
    if name.startswith("torch-cuda") and not torch.cuda.is_available():
        with pytest.raises(SearchError, match="needs a CUDA device"):
            make_runtime(name, 1)
        pytest.skip("no CUDA device")
    run = make_runtime(name, 1).prepare(
        INPUTS, CtrGenotype((4, 8), fm=True, tower=Tower(1, 32)), 8, np.random.default_rng(1)
    )
    run()
    assert device_name(name)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LatencyKey("d", "tvm", "float32", 1, 1), r"key\.runtime = 'tvm'"),
        (lambda: LatencyKey("d", "torch", "float32", 0, 1), r"key\.threads, key\.batch = \(0, 1\)"),
        (lambda: CalibrationSettings(batches=()), r"calibration\.batches"),
        (lambda: CalibrationSettings(num_models=3), r"calibration\.num_models = 3"),
        (
            lambda: spread_genotypes(
                CtrSpace(1, dims=(0,), dots=(0,), crosses=((0, 0),), gates=(0,), heads=(0,), depths=(0,)),
                INPUTS,
                20,
                np.random.default_rng(1),
            ),
            "num_models = 20",
        ),
    ],
)
def test_wrong_input_is_named(make: object, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        make()  # type: ignore[operator]
