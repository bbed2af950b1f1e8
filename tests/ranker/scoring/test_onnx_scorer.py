from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from ranker.errors import InvalidInputError, NotFoundError, StateError
from ranker.scoring.card import Card, model_version
from ranker.scoring.model_store import write_model
from ranker.scoring.onnx_scorer import OnnxScorer
from ranker.scoring.schema import FeatureSchema, Field

if TYPE_CHECKING:
    from pathlib import Path

    from ranker.scoring.protocol import Scorer
    from ranker.scoring.training import TrainedModel

HOUR, SITE = np.array([12.0], np.float32), np.array([2])


@pytest.fixture(params=["onnx", "numpy"])
def scorer(request: pytest.FixtureRequest, trained: TrainedModel) -> Scorer:
    return OnnxScorer.load(trained.directory) if request.param == "onnx" else trained.scorer


def candidates(num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(num_rows, 1)).astype(np.float32), rng.integers(0, 7, (num_rows, 1))


def test_scores_are_probabilities_in_the_candidates_order(scorer: Scorer) -> None:
    numeric, categorical = candidates(20)
    ctr = scorer.score(HOUR, SITE, numeric, categorical)
    assert ctr.shape == (20,)
    assert ctr.dtype == np.float64
    assert ((ctr > 0) & (ctr < 1)).all()
    reversed_ctr = scorer.score(HOUR, SITE, numeric[::-1], categorical[::-1])
    np.testing.assert_allclose(reversed_ctr, ctr[::-1], atol=1e-7)


def test_the_context_matters_to_every_candidate(scorer: Scorer) -> None:
    numeric, categorical = candidates(20)
    # The log's sites differ in their clicks, from the first to the last.
    ctr = [scorer.score(HOUR, np.array([site]), numeric, categorical) for site in (1, 4)]
    assert (ctr[0] < ctr[1]).all()


def test_no_candidates_get_no_scores(scorer: Scorer) -> None:
    assert scorer.score(HOUR, SITE, *candidates(0)).shape == (0,)


def test_a_broken_request_is_refused(scorer: Scorer) -> None:
    numeric, categorical = candidates(3)
    with pytest.raises(InvalidInputError, match=r"item\[2\] = 7: must be in 0\.\.6"):
        scorer.score(HOUR, SITE, numeric, np.array([[0], [6], [7]]))
    with pytest.raises(InvalidInputError, match=r"hour\[0\] = nan"):
        scorer.score(HOUR * np.float32("nan"), SITE, numeric, categorical)
    with pytest.raises(InvalidInputError, match=r"candidates\.numeric\.shape"):
        scorer.score(HOUR, SITE, numeric[:, :0], categorical)


def test_a_scorer_warms_up_and_names_its_version_and_schema(scorer: Scorer, trained: TrainedModel) -> None:
    scorer.warm_up()
    assert scorer.version == trained.card.model_version
    assert scorer.schema == trained.card.schema


def test_every_size_that_a_request_may_well_have_is_warmed(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, sizes = OnnxScorer.load(trained.directory), list[int]()
    monkeypatch.setattr(OnnxScorer, "score", lambda _, *rows: sizes.append(len(rows[2])))
    scorer.warm_up()
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]


def test_both_scorers_agree(trained: TrainedModel) -> None:
    numeric, categorical = candidates(500)
    scores = [
        s.score(HOUR, SITE, numeric, categorical)
        for s in (OnnxScorer.load(trained.directory), trained.scorer)
    ]
    np.testing.assert_allclose(*scores, atol=1e-7)


@pytest.fixture
def copy(trained: TrainedModel, tmp_path: Path) -> Path:
    return shutil.copytree(trained.directory, tmp_path / "model")


def test_a_missing_network_is_named(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    with pytest.raises(NotFoundError, match=r"model\.onnx': no such file"):
        OnnxScorer.load(copy)


def test_a_network_that_was_changed_is_refused(copy: Path) -> None:
    content = bytearray((copy / "model.onnx").read_bytes())
    content[-1] ^= 1
    (copy / "model.onnx").write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"model: model_version = '\w{16}': is not the hash"):
        OnnxScorer.load(copy)


def test_a_schema_that_was_changed_is_refused(copy: Path) -> None:
    card = json.loads((copy / "card.json").read_text())
    vocabulary = card["schema"]["fields"][2]["vocabulary"]
    vocabulary[1], vocabulary[2] = vocabulary[2], vocabulary[1]
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(InvalidInputError, match="is not the hash"):
        OnnxScorer.load(copy)


def write_network(root: Path, content: bytes) -> Path:
    schema = FeatureSchema("shop", "click", (Field("price", "numeric", "candidate"),))
    card = Card(model_version(content, schema), datetime(2020, 1, 1, tzinfo=UTC), schema, {})
    return write_model(root, card, content, {})


def network(input_name: str = "numeric", **tensors: Any) -> bytes:
    """A network whose ctr is its one number."""
    ids = helper.make_tensor_value_info("categorical", TensorProto.INT64, ["n", 0])
    numeric = helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["n", 1])
    ctr = helper.make_tensor_value_info("ctr", tensors.get("output", TensorProto.FLOAT), ["n"])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Squeeze", [input_name, "axes"], ["number"]),
        helper.make_node("Cast", ["number"], ["ctr"], to=tensors.get("output", TensorProto.FLOAT)),
    ]
    graph = helper.make_graph(nodes, "g", [numeric, ids], [ctr], [axes])
    opset = [helper.make_opsetid("", 18)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    return content


def test_a_network_of_one_s_own_is_served(tmp_path: Path) -> None:
    scorer = OnnxScorer.load(write_network(tmp_path, network()))
    empty = np.zeros(0, np.float32), np.zeros(0, np.int64)
    ctr = scorer.score(*empty, np.array([[0.25], [1.0]], np.float32), np.zeros((2, 0), np.int64))
    assert ctr.tolist() == [0.25, 1.0]


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_network_that_returns_no_probability_is_refused(tmp_path: Path, value: float) -> None:
    scorer = OnnxScorer.load(write_network(tmp_path, network()))
    empty = np.zeros(0, np.float32), np.zeros(0, np.int64)
    with pytest.raises(StateError, match=r"ctr\[1\] = .*must return a probability"):
        scorer.score(*empty, np.array([[0.5], [value]], np.float32), np.zeros((2, 0), np.int64))


def test_a_network_of_another_interface_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"model\.onnx: inputs = .*'number_s'.* must be"):
        OnnxScorer.load(write_network(tmp_path, network("number_s")))
    with pytest.raises(InvalidInputError, match=r"model\.onnx: outputs = .*double"):
        OnnxScorer.load(write_network(tmp_path, network(output=TensorProto.DOUBLE)))


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"model\.onnx': cannot be loaded: "):
        OnnxScorer.load(write_network(tmp_path, b"not a network"))
