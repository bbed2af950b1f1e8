from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.errors import StateError
from ranker.scoring.calibration import Calibration
from ranker.scoring.ctr_model import CtrModel
from ranker.scoring.design import Design
from ranker.scoring.export import check_parity, export_onnx
from ranker.scoring.fm import FactorizationMachine


def random_model(rng: np.random.Generator, num_numeric: int, sizes: list[int], num_factors: int) -> CtrModel:
    low = rng.normal(size=num_numeric)
    design = Design(
        low,
        low + rng.random(num_numeric),
        rng.normal(size=num_numeric),
        0.5 + rng.random(num_numeric),
        np.array(sizes, dtype=np.int64),
    )
    machine = FactorizationMachine(
        rng.normal(),
        rng.normal(size=design.num_features),
        rng.normal(size=(design.num_features, num_factors)),
    )
    return CtrModel(design, machine, Calibration(0.8, -0.3))


def random_rows(rng: np.random.Generator, model: CtrModel, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    num_ids = model.design.num_ids
    numeric = 3 * rng.normal(size=(num_rows, len(model.design.mean)))
    return numeric.astype(np.float32), rng.integers(0, num_ids, (num_rows, len(num_ids)))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    num_numeric=st.integers(0, 3),
    sizes=st.lists(st.integers(1, 5), max_size=3),
    num_factors=st.integers(0, 3),
    num_rows=st.integers(1, 6),
)
def test_the_graph_equals_the_model(
    seed: int, num_numeric: int, sizes: list[int], num_factors: int, num_rows: int
) -> None:
    if num_numeric + len(sizes) == 0:
        sizes = [2]
    rng = np.random.default_rng(seed)
    model = random_model(rng, num_numeric, sizes, num_factors)
    # Both sides are double; only the result is rounded to float32, of relative precision 2⁻²⁴.
    assert check_parity(export_onnx(model), model, *random_rows(rng, model, num_rows)) <= 1e-7


def test_one_graph_takes_any_number_of_rows_none_included() -> None:
    rng = np.random.default_rng(0)
    model = random_model(rng, 2, [3], 2)
    session = onnxruntime.InferenceSession(export_onnx(model))
    for num_rows in (0, 1, 7):
        numeric, categorical = random_rows(rng, model, num_rows)
        (ctr,) = session.run(["ctr"], {"numeric": numeric, "categorical": categorical})
        assert ctr.shape == (num_rows,)
        assert ctr.dtype == np.float32


def test_a_graph_of_another_model_is_refused() -> None:
    rng = np.random.default_rng(0)
    model = random_model(rng, 1, [3], 2)
    other = replace(model, calibration=Calibration(0.8, -0.30001))
    with pytest.raises(StateError, match="parity = "):
        check_parity(export_onnx(other), model, *random_rows(rng, model, 50))


def test_equal_models_give_equal_bytes() -> None:
    first, second = (export_onnx(random_model(np.random.default_rng(4), 2, [3, 4], 2)) for _ in range(2))
    assert first == second
