"""Writes ONNX graphs layer by layer, and counts the work of each: what a latency is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from nas.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from onnx import NodeProto

    from nas.space import FloatArray

    Array = npt.NDArray[np.generic]

OPSET: Final = 18
IR_VERSION: Final = 9
KINDS: Final = ("dense", "batched", "norm", "entrywise", "move", "lookup")
"""Products with weights, products within a row, normalisation, one number at a time, copies, lookups."""
_BYTES: Final = 4


@dataclass(frozen=True)
class Work:
    """What one node does for each row, and once for all rows."""

    kind: str
    macs: float = 0.0
    """Multiply–adds a row."""
    numbers: float = 0.0
    """Numbers read and written a row."""
    weights: float = 0.0
    """Numbers of constants read, whatever the batch."""


@dataclass(frozen=True)
class Tensor:
    """A value in the graph: its name and its shape without the batch."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Numbers a row."""
        return prod(self.shape)


@dataclass
class Graph:
    """A graph under construction: nodes, constants, and the work of every node."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    work: list[Work] = field(default_factory=list)

    def constant(self, array: Array) -> str:
        """Adds a constant and names it."""
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def node(
        self, kind: str, inputs: Sequence[str], shape: tuple[int, ...], work: Work, **attributes: Any
    ) -> Tensor:
        """Adds a node and its work."""
        output = Tensor(f"t{len(self.nodes)}", shape)
        self.nodes.append(helper.make_node(kind, list(inputs), [output.name], **attributes))
        self.work.append(work)
        return output

    def linear(self, x: Tensor, weight: Array, bias: Array | None) -> Tensor:
        """Adds y = x Wᵀ + b along the last axis, W (rows, columns)."""
        rows, columns = weight.shape
        if x.shape[-1] != columns:
            raise SearchError("weight.shape", weight.shape, f"does not fit an input of {x.shape[-1]}")
        macs = x.size * rows
        numbers = x.size + x.size // columns * rows
        shape = (*x.shape[:-1], rows)
        if len(x.shape) == 1:
            inputs = [x.name, self.constant(weight)] + ([] if bias is None else [self.constant(bias)])
            return self.node("Gemm", inputs, shape, Work("dense", macs, numbers, weight.size), transB=1)
        product = self.node(
            "MatMul", [x.name, self.constant(weight.T)], shape, Work("dense", macs, numbers, weight.size)
        )
        return product if bias is None else self.entrywise("Add", product, self.constant(bias))

    def sums(self, x: Tensor, weight: Array) -> Tensor:
        """Adds x M, M (columns, out): onnxruntime sums faster by a product with ones than by a reduction."""
        return self.linear(x, weight.T, None)

    def norm(self, x: Tensor, gain: Array, bias: Array) -> Tensor:
        """Adds layer normalisation along the last axis."""
        inputs = [x.name, self.constant(gain), self.constant(bias)]
        return self.node("LayerNormalization", inputs, x.shape, Work("norm", 0, 2 * x.size), axis=-1)

    def entrywise(self, kind: str, x: Tensor, *others: Tensor | str) -> Tensor:
        """Adds a function of each number, of one or more inputs."""
        names = [other if isinstance(other, str) else other.name for other in others]
        read = x.size * (1 + sum(isinstance(other, Tensor) for other in others))
        return self.node(kind, [x.name, *names], x.shape, Work("entrywise", 0, read + x.size))

    def take(self, x: Tensor, index: Array) -> Tensor:
        """Adds a choice of entries along the last axis; nothing where it is all of them in order."""
        if len(index) == x.shape[-1] and (index == np.arange(len(index))).all():
            return x
        shape = (*x.shape[:-1], len(index))
        moved = 2 * prod(shape)
        return self.node(
            "Gather", [x.name, self.constant(index)], shape, Work("move", 0, moved), axis=len(x.shape)
        )

    def lookup(self, table: Array, rows: Tensor) -> Tensor:
        """Adds a lookup of table rows (r, w) or (r,): (…, w)."""
        shape = (*rows.shape, *table.shape[1:])
        work = Work("lookup", 0, rows.size + 2 * prod(shape))
        return self.node("Gather", [self.constant(table), rows.name], shape, work, axis=0)

    def reshape(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Adds another view of each row."""
        target = self.constant(np.array((-1, *shape), np.int64))
        return self.node("Reshape", [x.name, target], shape, Work("move"))

    def transpose(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Adds an exchange of axes, numbered from 1 as the batch is 0."""
        shape = tuple(x.shape[axis - 1] for axis in axes)
        return self.node("Transpose", [x.name], shape, Work("move", 0, 2 * x.size), perm=[0, *axes])

    def product(self, x: Tensor, y: Tensor) -> Tensor:
        """Adds the matrix product of two values of each row."""
        shape = (*x.shape[:-1], y.shape[-1])
        macs = prod(shape) * x.shape[-1]
        return self.node(
            "MatMul", [x.name, y.name], shape, Work("batched", macs, x.size + y.size + prod(shape))
        )

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Adds one value that has the entries of all parts side by side."""
        if len(parts) == 1:
            return parts[0]
        width = sum(part.shape[0] for part in parts)
        return self.node(
            "Concat", [part.name for part in parts], (width,), Work("move", 0, 2 * width), axis=1
        )

    def counts(self, batch: int) -> FloatArray:
        """Counts launches, multiply–adds and bytes by kind, then weight bytes: (3 · kinds + 1,)."""
        launches, macs, bytes_moved = np.zeros((3, len(KINDS)))
        weights = 0.0
        for work in self.work:
            kind = KINDS.index(work.kind)
            launches[kind] += 1.0
            macs[kind] += work.macs * batch
            bytes_moved[kind] += work.numbers * batch * _BYTES
            weights += work.weights * _BYTES
        counted: FloatArray = np.concatenate([launches, macs, bytes_moved, [weights]])
        return counted

    def to_onnx(self, output: Tensor, num_numeric: int, num_categorical: int) -> bytes:
        """Closes the graph: `numeric` (n, d) and `categorical` (n, c) to `ctr` (n,)."""
        nodes = [*self.nodes, helper.make_node("Identity", [output.name], ["ctr"])]
        graph = helper.make_graph(
            nodes,
            "ctr",
            [
                helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", num_numeric]),
                helper.make_tensor_value_info("categorical", TensorProto.INT64, ["n", num_categorical]),
            ],
            [helper.make_tensor_value_info("ctr", TensorProto.FLOAT, ["n"])],
            [
                numpy_helper.from_array(np.ascontiguousarray(value), name)
                for name, value in self.constants.items()
            ],
        )
        proto = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="adranker",
        )
        checker.check_model(proto, full_check=True)
        content: bytes = proto.SerializeToString()
        return content
