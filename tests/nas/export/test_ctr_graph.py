"""The exported graph is the network, to rounding, for every part of the space."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from nas.click_data import bin_ids
from nas.ctr.fields import FieldGroups, group_by_cardinality
from nas.ctr.genotype import CtrGenotype, Tower
from nas.ctr.network import Subnet
from nas.ctr.space import CtrSpace
from nas.errors import SearchError
from nas.export.ctr_graph import (
    CtrInputs,
    Platt,
    StateWeights,
    count_work,
    ctr_graph,
    export_ctr,
    random_weights,
)

EDGES = (np.array([0.1, 0.5, 2.0]), np.array([-1.0]))
FIELDS = group_by_cardinality((4, 2, 5, 30, 300, 7))
INPUTS = CtrInputs(FIELDS, EDGES)
SPACE = CtrSpace(FIELDS.num_groups)


def columns(num: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(num, 2)).astype(np.float32)
    numeric[0] = (0.5, -1.0)
    return numeric, rng.integers(0, (5, 30, 300, 7), (num, 4))


def run(content: bytes, numeric: np.ndarray, categorical: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    ctr: np.ndarray = session.run(["ctr"], {"numeric": numeric, "categorical": categorical})[0]
    return ctr


def shaken(genotype: CtrGenotype, seed: int) -> Subnet:
    """No parameter is left at a start that would hide a mistake."""
    generator = torch.Generator().manual_seed(seed)
    subnet = Subnet(FIELDS, genotype, generator)
    with torch.no_grad():
        for parameter in subnet.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return subnet


def difference(genotype: CtrGenotype, seed: int = 1) -> float:
    subnet, platt = shaken(genotype, seed), Platt(0.8, -0.3)
    numeric, categorical = columns(64)
    ids = np.concatenate([bin_ids(numeric, EDGES), categorical], axis=1)
    with torch.no_grad():
        wanted = torch.sigmoid(0.8 * subnet(torch.from_numpy(ids)) - 0.3).numpy()
    content = export_ctr(INPUTS, genotype, StateWeights(subnet.state_dict()), platt)
    return float(np.abs(run(content, numeric, categorical) - wanted).max())


LARGEST = {"tower": Tower(2, 32), "second": Tower(1, 64)}


@pytest.mark.parametrize(
    "genotype",
    [
        CtrGenotype((0, 0, 0)),
        CtrGenotype((0, 0, 0), wide=False),
        CtrGenotype((8, 8, 8), fm=True),
        CtrGenotype((4, 8, 0), fm=True, wide=False),
        CtrGenotype((4, 8, 16), pairs=True),
        CtrGenotype((4, 0, 16), dot=4),
        CtrGenotype((4, 8, 16), cross=2, rank=16),
        CtrGenotype((4, 8, 16), full_cross=2),
        CtrGenotype((4, 8, 16), gate=2),
        CtrGenotype((4, 8, 16), attention=2),
        CtrGenotype((4, 8, 16), tower=Tower(3, 32)),
        CtrGenotype((4, 8, 16), **LARGEST, fm=True, merge="parallel"),
        CtrGenotype((4, 8, 16), **LARGEST, fm=True, pairs=True, dot=4, cross=1, rank=16, gate=1, attention=1),
    ],
    ids=lambda genotype: "+".join(genotype.branches) or "plain",
)
def test_the_graph_of_each_part_is_the_network(genotype: CtrGenotype) -> None:
    assert difference(genotype) < 1e-5


def test_the_graphs_of_random_architectures_are_the_networks() -> None:
    rng = np.random.default_rng(3)
    worst = max(difference(SPACE.decode(SPACE.search_space.sample(rng)), seed) for seed in range(15))
    assert worst < 1e-5


def test_bins_are_those_of_the_log_where_an_edge_is_no_float32() -> None:
    edge = 0.1  # as float32 it is larger
    inputs = CtrInputs(FieldGroups((2,), (0,)), (np.array([edge]),))
    subnet = Subnet(inputs.fields, CtrGenotype((0,)), torch.Generator())
    with torch.no_grad():
        subnet.network.wide.weight[1] = 5.0
    content = export_ctr(inputs, CtrGenotype((0,)), StateWeights(subnet.state_dict()))
    near = np.array([[np.nextafter(np.float32(edge), np.float32(-1))], [np.float32(edge)]], np.float32)
    wanted = bin_ids(near, inputs.edges)[:, 0] * 5.0
    np.testing.assert_allclose(
        run(content, near, np.zeros((2, 0), np.int64)), 1 / (1 + np.exp(-wanted)), atol=1e-6
    )


def test_work_by_hand() -> None:
    inputs = CtrInputs(FieldGroups((3, 4), (0, 0)))
    counted = count_work(inputs, CtrGenotype((8,), wide=False, tower=Tower(1, 32)), batch=10)
    dense_launches, dense_macs, weight_bytes = counted[0], counted[6], counted[-1]
    assert dense_launches == 2.0
    assert dense_macs == 10 * (16 * 32 + 32)
    assert weight_bytes == 4 * (16 * 32 + 32)


def test_counting_needs_no_weights_and_agrees_with_the_graph() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        genotype = SPACE.decode(SPACE.search_space.sample(rng))
        graph, _ = ctr_graph(INPUTS, genotype, random_weights(rng))
        np.testing.assert_array_equal(graph.counts(7), count_work(INPUTS, genotype, 7))


def test_weights_of_another_genotype_are_refused() -> None:
    subnet = shaken(CtrGenotype((8, 8, 8), tower=Tower(1, 32)), 1)
    with pytest.raises(SearchError, match=r"weights\[table.weight\]\.shape = \(\d+, 8\)"):
        export_ctr(INPUTS, CtrGenotype((4, 4, 4), tower=Tower(1, 32)), StateWeights(subnet.state_dict()))
