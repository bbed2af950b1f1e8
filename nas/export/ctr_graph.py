"""The ONNX graph of a CTR genotype: the function of `nas.ctr.network.Subnet`, with bins and chance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from nas.ctr.path import HEAD_SIZE, MASK_WIDTH
from nas.errors import SearchError
from nas.export.graph import Graph, Tensor, Work

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    from nas.ctr.fields import FieldGroups
    from nas.ctr.genotype import CtrGenotype, Tower
    from nas.space import FloatArray

    Floats32 = npt.NDArray[np.float32]

FAR: Final = np.float32(np.inf)


@dataclass(frozen=True)
class CtrInputs:
    """What a model reads: numeric columns and their bins, then categorical ids."""

    fields: FieldGroups
    edges: tuple[FloatArray, ...] = ()
    """Between the bins of each numeric field, rising; the first fields are these."""

    @property
    def num_categorical(self) -> int:
        """Columns of `categorical`."""
        return len(self.fields.num_ids) - len(self.edges)

    @property
    def digest(self) -> str:
        """Twelve hex digits that are equal where latencies are: of the sizes, not of the bins' places."""
        sizes = self.fields.num_ids, self.fields.groups, len(self.edges)
        return hashlib.sha256(repr(sizes).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Platt:
    """chance = σ(scale · logit + shift)."""

    scale: float = 1.0
    shift: float = 0.0


class Weights(Protocol):
    """Gives a network's parameters by name."""

    def __call__(self, name: str, shape: tuple[int, ...]) -> Floats32:
        """Gives one; its shape must be the one asked for."""
        ...


def no_weights(
    name: str,  # noqa: ARG001
    shape: tuple[int, ...],
) -> Floats32:
    """Gives zeros that need no memory: for counting work, where only shapes matter."""
    return np.broadcast_to(np.float32(0.0), shape)


class StateWeights:
    """The parameters of a trained network."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        self._state = state

    def __call__(self, name: str, shape: tuple[int, ...]) -> Floats32:
        """Gives one as an array.

        Raises:
            SearchError: it has another shape: the network is not of this genotype.
        """
        found: Floats32 = self._state[f"network.{name}"].detach().cpu().numpy()
        if found.shape != shape:
            raise SearchError(f"weights[{name}].shape", found.shape, f"the genotype asks for {shape}")
        return found


def random_weights(rng: np.random.Generator) -> Weights:
    """Draws small weights: latency asks for no trained ones, but zeros might be skipped somewhere."""

    def draw(
        name: str,  # noqa: ARG001
        shape: tuple[int, ...],
    ) -> Floats32:
        return np.asarray(0.05 * rng.standard_normal(shape), np.float32)

    return draw


def ctr_graph(
    inputs: CtrInputs, genotype: CtrGenotype, weights: Weights, platt: Platt | None = None
) -> tuple[Graph, Tensor]:
    """Builds the graph; returns it with its output `(n,)`, the chance of a click."""
    writer = _Writer(inputs, genotype, weights)
    ids = writer.ids()
    logit = writer.logit(ids)
    graph, chosen = writer.graph, platt or Platt()
    if chosen != Platt():
        logit = graph.entrywise("Mul", logit, graph.constant(np.array(chosen.scale, np.float32)))
        logit = graph.entrywise("Add", logit, graph.constant(np.array(chosen.shift, np.float32)))
    chance = graph.entrywise("Sigmoid", logit)
    axis = graph.constant(np.array([1], np.int64))
    return graph, graph.node("Squeeze", [chance.name, axis], (), Work("move"))


def export_ctr(
    inputs: CtrInputs, genotype: CtrGenotype, weights: Weights, platt: Platt | None = None
) -> bytes:
    """Writes the ONNX file: `numeric` (n, d) float32, `categorical` (n, c) int64 → `ctr` (n,) float32."""
    graph, output = ctr_graph(inputs, genotype, weights, platt)
    return graph.to_onnx(output, len(inputs.edges), inputs.num_categorical)


def count_work(inputs: CtrInputs, genotype: CtrGenotype, batch: int) -> FloatArray:
    """Counts what a model of this genotype does at a batch (see `Graph.counts`), without its weights."""
    graph, _ = ctr_graph(inputs, genotype, no_weights)
    return graph.counts(batch)


@dataclass(frozen=True)
class _Embedded:
    """A row's embeddings as the branches read them."""

    x: Tensor
    """(D,): the entries that exist."""
    e: Tensor
    """(F, d): by field, padded with zeros."""
    padded: Tensor
    """(F · d,): the same in one line."""


class _Writer:
    """Builds one graph, part by part, in the order of `CtrNetwork.forward`."""

    def __init__(self, inputs: CtrInputs, genotype: CtrGenotype, weights: Weights) -> None:
        self.graph = Graph()
        self._inputs, self._genotype, self._weights = inputs, genotype, weights
        self._num_ids = np.array(inputs.fields.num_ids)
        dims = np.array(genotype.dims)[list(inputs.fields.groups)]
        self._on = np.flatnonzero(dims)
        self._dims = dims[self._on]
        self._dim = int(dims.max())

    def ids(self) -> Tensor:
        """Bins the numeric columns and puts the ids of all fields side by side."""
        graph, edges = self.graph, self._inputs.edges
        categorical = Tensor("categorical", (self._inputs.num_categorical,))
        if not edges:
            return categorical
        longest = max(1, *(len(edge) for edge in edges))
        table = np.full((len(edges), longest), FAR)
        for row, edge in enumerate(edges):
            table[row, : len(edge)] = _not_below(edge)
        column = graph.reshape(Tensor("numeric", (len(edges),)), (len(edges), 1))
        shape = (len(edges), longest)
        work = Work("entrywise", 0, 2 * len(edges) * longest)
        reached = graph.node("GreaterOrEqual", [column.name, graph.constant(table)], shape, work)
        numbers = graph.node("Cast", [reached.name], shape, work, to=1)
        ones = graph.constant(np.ones((longest, 1), np.float32))
        bins = graph.node("MatMul", [numbers.name, ones], (len(edges), 1), work)
        flat = graph.reshape(bins, (len(edges),))
        whole = graph.node("Cast", [flat.name], (len(edges),), Work("entrywise", 0, 2 * len(edges)), to=7)
        return graph.join([whole, categorical]) if categorical.shape[0] else whole

    def logit(self, ids: Tensor) -> Tensor:
        """Sums bias, wide part, head and the product of two towers: (1,)."""
        bias = self._weights("bias", ())
        terms = []
        if self._genotype.wide:
            rows = self._table_rows(ids, np.arange(len(self._num_ids)), self._num_ids)
            wide = self._weights("wide.weight", (int(self._num_ids.sum()), 1))[:, 0]
            found = self.graph.lookup(wide, rows)
            terms.append(self.graph.sums(found, np.ones((len(self._num_ids), 1), np.float32)))
        if self._dim:
            terms += self._deep(ids)
        if not terms:
            # The base rate: what is left of an input without fields.
            nothing = self.graph.node("Cast", [ids.name], ids.shape, Work("entrywise", 0, ids.size), to=1)
            terms.append(self.graph.sums(nothing, np.zeros((ids.size, 1), np.float32)))
        total = terms[0]
        for term in terms[1:]:
            total = self.graph.entrywise("Add", total, term)
        return self.graph.entrywise("Add", total, self.graph.constant(np.asarray(bias)))

    def _table_rows(self, ids: Tensor, chosen: npt.NDArray[np.intp], num_ids: npt.NDArray[np.int_]) -> Tensor:
        """Adds the offsets of a fused table to the ids of some fields."""
        picked = self.graph.take(ids, chosen.astype(np.int64))
        offsets = (np.cumsum(num_ids) - num_ids).astype(np.int64)
        return self.graph.entrywise("Add", picked, self.graph.constant(offsets))

    def _deep(self, ids: Tensor) -> list[Tensor]:
        """Runs branches, towers and head; returns what is added to the logit."""
        graph, g = self.graph, self._genotype
        kept = self._num_ids[self._on]
        table = self._weights("table.weight", (int(kept.sum()), self._dim))
        full = (self._dims == self._dim).all()
        if not full and self._weights is not no_weights:
            # Entries that a field does not have are 0 in every branch.
            table = table * np.repeat(np.arange(self._dim) < self._dims[:, None], kept, axis=0)
        e = graph.lookup(table, self._table_rows(ids, self._on, kept))
        padded = graph.reshape(e, (len(self._on) * self._dim,))
        packed = np.flatnonzero(np.arange(self._dim) < self._dims[:, None]).astype(np.int64)
        x = graph.take(padded, packed)
        row = _Embedded(x, e, padded)
        parts = [getattr(self, f"_{name}")(row) for name in g.branches]
        if not g.tower.depth:
            return [self._linear("head", graph.join([x, *parts]), 1)]
        stacked = g.merge == "stacked"
        top = self._tower("tower", graph.join([x, *parts]) if stacked else x, g.tower)
        into_head, terms = [top], []
        if g.second.depth:
            strength = 2.0 / (1.0 + np.exp(-self._weights("gates.weight", x.shape)))
            gated = graph.entrywise("Mul", x, graph.constant(strength.astype(np.float32)))
            other = self._tower("second", gated, g.second)
            into_head.append(other)
            product = graph.entrywise("Mul", self._linear("bilinear", top, g.second.width), other)
            terms.append(graph.sums(product, np.ones((g.second.width, 1), np.float32)))
        into_head += [] if stacked else parts
        return [self._linear("head", graph.join(into_head), 1), *terms]

    def _linear(self, name: str, x: Tensor, rows: int) -> Tensor:
        weight = self._weights(f"{name}.weight", (rows, x.shape[-1]))
        return self.graph.linear(x, weight, self._weights(f"{name}.bias", (rows,)))

    def _norm(self, name: str, x: Tensor) -> Tensor:
        gain, bias = (self._weights(f"{name}.{part}", x.shape[-1:]) for part in ("gain", "bias"))
        return self.graph.norm(x, gain, bias)

    def _tower(self, name: str, x: Tensor, tower: Tower) -> Tensor:
        for layer in range(tower.depth):
            x = self._linear(f"{name}.layers.{layer}", x, tower.width)
            x = self.graph.entrywise("Relu", self._norm(f"{name}.norms.{layer}", x))
        return x

    def _fm(self, row: _Embedded) -> Tensor:
        graph = self.graph
        adder = np.tile(np.eye(self._dim, dtype=np.float32), (row.e.shape[0], 1))
        total = graph.sums(row.padded, adder)
        squares = graph.sums(graph.entrywise("Mul", row.padded, row.padded), adder)
        twice = graph.entrywise("Sub", graph.entrywise("Mul", total, total), squares)
        return graph.entrywise("Mul", twice, graph.constant(np.array(0.5, np.float32)))

    def _pairs(self, row: _Embedded) -> Tensor:
        return self._lower(row.e)

    def _dot(self, row: _Embedded) -> Tensor:
        mixed = self._linear("branches.dot.mix", self.graph.transpose(row.e, (2, 1)), self._genotype.dot)
        return self._lower(self.graph.transpose(mixed, (2, 1)))

    def _lower(self, vectors: Tensor) -> Tensor:
        """Multiplies all vectors with each other and keeps what is below the diagonal."""
        num = vectors.shape[0]
        square = self.graph.product(vectors, self.graph.transpose(vectors, (2, 1)))
        late, early = np.tril_indices(num, -1)
        return self.graph.take(self.graph.reshape(square, (num * num,)), late * num + early)

    def _cross(self, row: _Embedded) -> Tensor:
        x = crossed = row.x
        for layer in range(self._genotype.cross):
            low = self._linear(f"branches.cross.down.{layer}", crossed, self._genotype.rank)
            up = self._linear(f"branches.cross.up.{layer}", low, x.size)
            crossed = self.graph.entrywise("Add", self.graph.entrywise("Mul", up, x), crossed)
        return crossed

    def _full_cross(self, row: _Embedded) -> Tensor:
        x = crossed = row.x
        for layer in range(self._genotype.full_cross):
            mapped = self._linear(f"branches.full_cross.layers.{layer}", crossed, x.size)
            crossed = self.graph.entrywise("Add", self.graph.entrywise("Mul", mapped, x), crossed)
        return crossed

    def _gate(self, row: _Embedded) -> Tensor:
        x = row.x
        normal = self._norm("branches.gate.norm", x)
        outputs = []
        for block in range(self._genotype.gate):
            narrow = self._linear(f"branches.gate.narrow.{block}", x, MASK_WIDTH)
            wide = self._linear(f"branches.gate.widen.{block}", self.graph.entrywise("Relu", narrow), x.size)
            out = self._linear(
                f"branches.gate.out.{block}", self.graph.entrywise("Mul", normal, wide), MASK_WIDTH
            )
            outputs.append(self.graph.entrywise("Relu", self._norm(f"branches.gate.out_norm.{block}", out)))
        return self.graph.join(outputs)

    def _attention(self, row: _Embedded) -> Tensor:
        graph, e, heads = self.graph, row.e, self._genotype.attention
        width, num = heads * HEAD_SIZE, e.shape[0]
        split = (num, heads, HEAD_SIZE)
        query, key, value = (
            graph.reshape(self._linear(f"branches.attention.{name}", e, width), split)
            for name in ("query", "key", "value")
        )
        scores = graph.product(graph.transpose(query, (2, 1, 3)), graph.transpose(key, (2, 3, 1)))
        scaled = graph.entrywise("Mul", scores, graph.constant(np.array(1 / sqrt(HEAD_SIZE), np.float32)))
        weights = graph.node(
            "Softmax", [scaled.name], scaled.shape, Work("norm", 0, 2 * scaled.size), axis=-1
        )
        seen = graph.product(weights, graph.transpose(value, (2, 1, 3)))
        joined = graph.reshape(graph.transpose(seen, (2, 1, 3)), (num, width))
        total = graph.entrywise("Add", joined, self._linear("branches.attention.residual", e, width))
        return graph.reshape(graph.entrywise("Relu", total), (num * width,))


def _not_below(edges: FloatArray) -> Floats32:
    """Rounds up to float32: x ≥ edge and x ≥ rounded edge say the same of every float32 x."""
    rounded = edges.astype(np.float32)
    up: Floats32 = np.where(rounded < edges, np.nextafter(rounded, FAR), rounded)
    return up
