"""A trained network leaves only as a file that computes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.click_data import ClickData, ClickRows, Columns, split_columns
from nas.ctr.fields import group_by_cardinality
from nas.ctr.genotype import CtrGenotype, Tower
from nas.ctr.network import Subnet
from nas.errors import SearchError
from nas.export import trained
from nas.export.ctr_graph import CtrInputs, Platt
from nas.export.trained import PARITY, export_trained
from nas.training import TrainingSettings, train_alone

GENOTYPE = CtrGenotype((4, 8), fm=True, cross=1, rank=16, tower=Tower(1, 32))


def log(num_rows: int = 600) -> ClickData:
    rng = np.random.default_rng(1)
    numeric = rng.normal(size=(num_rows, 2)).astype(np.float32)
    categorical = rng.integers(0, (3, 40), (num_rows, 2))
    clicks = (numeric[:, 0] + categorical[:, 0] + rng.normal(size=num_rows) > 1.0).astype(np.float64)
    parts = dict(zip(("train", "validation", "test"), np.array_split(np.arange(num_rows), 3), strict=True))
    return split_columns("log", Columns(numeric, categorical, (3, 40), clicks), parts)


def trained_subnet(data: ClickData) -> tuple[CtrInputs, Subnet]:
    inputs = CtrInputs(group_by_cardinality(data.num_ids), data.edges)
    subnet = Subnet(inputs.fields, GENOTYPE, torch.Generator().manual_seed(1))
    return inputs, train_alone(subnet, data.train, TrainingSettings(epochs=20, batch_size=32))


def test_the_file_gives_the_chances_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "ROWS_A_RUN", 64)  # the last run is shorter than the others
    data = log()
    inputs, subnet = trained_subnet(data)
    exported = export_trained(inputs, subnet, Platt(0.9, 0.1), data.test)
    with torch.no_grad():
        wanted = torch.sigmoid(0.9 * subnet(torch.from_numpy(data.test.ids)) + 0.1).numpy()
    np.testing.assert_allclose(exported.chances, wanted, atol=PARITY)
    assert exported.difference <= PARITY
    assert exported.chances.std() > 0.1


def test_a_file_that_computes_something_else_is_refused() -> None:
    data = log()
    inputs, subnet = trained_subnet(data)
    # Rows whose numbers are not those that were binned: the file bins them itself, torch is given the bins.
    other = ClickRows(data.test.ids, data.test.clicks, data.test.numeric + 1.0)
    with pytest.raises(SearchError, match=r"parity = 0\.\d+: the exported network must agree"):
        export_trained(inputs, subnet, Platt(), other)
