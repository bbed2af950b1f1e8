"""Writes a trained model as an ONNX graph, calibration included, and proves that it computes the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

from ranker.errors import StateError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

    from ranker.scoring.ctr_model import CtrModel

PARITY: Final = 1e-6
_OPSET: Final = 18
_IR_VERSION: Final = 9


def export_onnx(model: CtrModel) -> bytes:
    """Returns the ONNX file: `numeric` (n, d) float32 and `categorical` (n, c) int64 → `ctr` (n,) float32.

    An indicator equals its square, so with u = w − ½ ‖v‖² the categorical half of z is a lookup of (u, v):
    z = b + s₀ + Σ_d (w_d x_d − ½ ‖v_d‖² x_d²) + ½ ‖s‖² with (s₀, s) = Σ_c (u_c, v_c) + Σ_d (0, v_d) x_d.
    Inside, numbers are double: the squares of sums and the sums of squares nearly cancel. Sums are products
    with matrices of ones: onnxruntime takes ten times as long for reductions and for products with vectors.
    """
    num_numeric = len(model.design.mean)
    nodes, last = [], []
    if len(model.design.num_ids):
        nodes += _categorical_nodes()
        last.append("categorical_sums")
    if num_numeric:
        nodes += _numeric_nodes()
        last.append("numeric_sums")
    nodes += _head_nodes(last)
    graph = helper.make_graph(
        nodes,
        "ctr",
        [
            helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", num_numeric]),
            helper.make_tensor_value_info("categorical", TensorProto.INT64, ["n", len(model.design.num_ids)]),
        ],
        [helper.make_tensor_value_info("ctr", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in _constants(model).items()],
    )
    proto: ModelProto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="adranker",
    )
    checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString()
    return content


def check_parity(
    content: bytes, model: CtrModel, numeric: NDArray[np.float32], categorical: NDArray[np.int64]
) -> float:
    """Returns the largest difference between graph and model over the rows; raises StateError above 1e-6."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (ctr,) = session.run(["ctr"], {"numeric": numeric, "categorical": categorical})
    difference = float(np.abs(ctr.astype(np.float64) - model.predict(numeric, categorical)).max())
    # Written so that NaN fails the comparison.
    if not difference <= PARITY:
        raise StateError("parity", difference, f"the exported network must agree within {PARITY}")
    return difference


def _constants(model: CtrModel) -> dict[str, NDArray[np.generic]]:
    design, machine = model.design, model.machine
    num_numeric, width = len(design.mean), 1 + machine.factors.shape[1]
    half_squares = 0.5 * (machine.factors**2).sum(axis=1)
    table = np.column_stack([machine.weights - half_squares, machine.factors])[num_numeric:]
    constants: dict[str, NDArray[np.generic]] = {
        "first": np.eye(width)[:, :1],
        "others_half": 0.5 - 0.5 * np.eye(width)[:, :1],
        "last_axis": np.array([1], np.int64),
        "bias": np.array(machine.bias),
        "calibration_scale": np.array(model.calibration.scale),
        "calibration_shift": np.array(model.calibration.shift),
    }
    if len(design.num_ids):
        adder = np.tile(np.eye(width), (len(design.num_ids), 1))
        constants |= {"offsets": design.offsets, "table": table, "adder": adder}
    if num_numeric:
        weights = np.column_stack([machine.weights, machine.factors])[:num_numeric]
        squared = np.zeros_like(weights)
        squared[:, 0] = -half_squares[:num_numeric]
        constants |= {"low": design.low, "high": design.high, "mean": design.mean, "scale": design.scale}
        constants |= {"numeric_weights": weights, "squared_weights": squared}
    return constants


def _categorical_nodes() -> list[NodeProto]:
    return [
        helper.make_node("Add", ["categorical", "offsets"], ["table_rows"]),
        helper.make_node("Gather", ["table", "table_rows"], ["looked_up"], axis=0),
        helper.make_node("Flatten", ["looked_up"], ["side_by_side"], axis=1),
        helper.make_node("MatMul", ["side_by_side", "adder"], ["categorical_sums"]),
    ]


def _numeric_nodes() -> list[NodeProto]:
    return [
        helper.make_node("Cast", ["numeric"], ["raw"], to=TensorProto.DOUBLE),
        helper.make_node("Max", ["raw", "low"], ["not_low"]),
        helper.make_node("Min", ["not_low", "high"], ["clipped"]),
        helper.make_node("Sub", ["clipped", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["x"]),
        helper.make_node("Mul", ["x", "x"], ["x_squared"]),
        helper.make_node("MatMul", ["x", "numeric_weights"], ["numeric_linear"]),
        helper.make_node("MatMul", ["x_squared", "squared_weights"], ["numeric_squares"]),
        helper.make_node("Add", ["numeric_linear", "numeric_squares"], ["numeric_sums"]),
    ]


def _head_nodes(sums: list[str]) -> list[NodeProto]:
    return [
        helper.make_node("Sum", sums, ["sums"]),
        helper.make_node("MatMul", ["sums", "first"], ["linear"]),
        helper.make_node("Mul", ["sums", "sums"], ["sums_squared"]),
        helper.make_node("MatMul", ["sums_squared", "others_half"], ["pairs"]),
        helper.make_node("Sum", ["linear", "pairs", "bias"], ["logit"]),
        helper.make_node("Mul", ["logit", "calibration_scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "calibration_shift"], ["calibrated"]),
        helper.make_node("Sigmoid", ["calibrated"], ["probability"]),
        helper.make_node("Squeeze", ["probability", "last_axis"], ["column"]),
        helper.make_node("Cast", ["column"], ["ctr"], to=TensorProto.FLOAT),
    ]
