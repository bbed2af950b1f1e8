"""Boosted trees of scikit-learn as an ONNX graph, so that they run where the networks run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.ensemble import HistGradientBoostingClassifier

AT_MOST, MEMBER = 0, 6
"""Modes of a split in ai.onnx.ml 5."""
OPSETS: Final = (("", 21), ("ai.onnx.ml", 5))


@dataclass
class _Nodes:
    """The arrays of ONNX's TreeEnsemble, grown tree by tree."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    """Sets of ids, each ended by nan."""
    children: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    """Where the split holds, and where not."""
    is_leaf: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    leaves: list[float] = field(default_factory=list)


def export_trees(model: HistGradientBoostingClassifier) -> bytes:
    """Writes a fitted binary classifier with categorical columns: "x" (n, columns) → "ctr" (n, 1)."""
    is_categorical = model.is_categorical_
    ids = model._preprocessor.named_transformers_["encoder"].categories_
    # scikit-learn puts the categorical columns first.
    columns = np.concatenate([np.flatnonzero(is_categorical), np.flatnonzero(~is_categorical)])
    nodes = _Nodes()
    for (tree,) in model._predictors:
        _add_tree(nodes, tree, columns, ids)
    parts = [
        helper.make_node("TreeEnsemble", ["x"], ["raw"], domain="ai.onnx.ml", **_attributes(nodes)),
        helper.make_node("Add", ["raw", "start"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["ctr"]),
    ]
    start = _floats("start", model._baseline_prediction.ravel())
    graph = helper.make_graph(
        parts,
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(columns)])],
        [helper.make_tensor_value_info("ctr", TensorProto.FLOAT, ["n", 1])],
        [start],
    )
    opsets = [helper.make_opsetid(*opset) for opset in OPSETS]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def _add_tree(nodes: _Nodes, tree: Any, columns: NDArray[np.intp], ids: list[NDArray[Any]]) -> None:
    rows = tree.nodes
    inner = np.flatnonzero(rows["is_leaf"] == 0)
    places = {int(row): len(nodes.features) + number for number, row in enumerate(inner)}
    leaves = {int(row): len(nodes.leaves) + n for n, row in enumerate(np.flatnonzero(rows["is_leaf"]))}
    nodes.leaves += [float(rows["value"][row]) for row in leaves]
    assert len(inner), "a tree without a split"
    nodes.roots.append(places[int(inner[0])])
    for row in rows[inner]:
        left, right = int(row["left"]), int(row["right"])
        if row["is_categorical"]:
            # What was not seen in training goes where missing values go: the set is that of the other side.
            swapped = bool(row["missing_go_to_left"])
            known = ids[row["feature_idx"]]
            goes_left = _bits(tree.raw_left_cat_bitsets[row["bitset_idx"]])[: len(known)]
            nodes.members += [*known[goes_left != swapped].tolist(), np.nan]
            left, right = (right, left) if swapped else (left, right)
        nodes.features.append(int(columns[row["feature_idx"]]))
        nodes.modes.append(MEMBER if row["is_categorical"] else AT_MOST)
        nodes.splits.append(0.0 if row["is_categorical"] else _rounded_down(row["num_threshold"]))
        for side, child in enumerate((left, right)):
            nodes.is_leaf[side].append(int(child in leaves))
            nodes.children[side].append(leaves[child] if child in leaves else places[child])


def _bits(words: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return np.unpackbits(words.view(np.uint8), bitorder="little").astype(bool)


def _rounded_down(threshold: float) -> float:
    """Returns the largest float32 that is not above: a float32 is at most the one if at most the other."""
    near = np.float32(threshold)
    return float(near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf)))


def _floats(name: str, values: Any) -> TensorProto:
    return numpy_helper.from_array(np.array(values, np.float32), name)


def _attributes(nodes: _Nodes) -> dict[str, Any]:
    return {
        "aggregate_function": 1,
        "post_transform": 0,
        "n_targets": 1,
        "tree_roots": nodes.roots,
        "nodes_featureids": nodes.features,
        "nodes_splits": _floats("splits", nodes.splits),
        "nodes_modes": numpy_helper.from_array(np.array(nodes.modes, np.uint8), "modes"),
        "nodes_truenodeids": nodes.children[0],
        "nodes_trueleafs": nodes.is_leaf[0],
        "nodes_falsenodeids": nodes.children[1],
        "nodes_falseleafs": nodes.is_leaf[1],
        "membership_values": _floats("members", nodes.members),
        "leaf_targetids": [0] * len(nodes.leaves),
        "leaf_weights": _floats("leaves", nodes.leaves),
    }
