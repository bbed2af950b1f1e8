"""Few-shot split and fine-tuning of candidates."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from nas.click_data import ClickRows
from nas.ctr.fields import FieldGroups
from nas.ctr.genotype import CtrGenotype, Tower
from nas.ctr.network import CtrNetwork
from nas.ctr.space import CtrSpace
from nas.errors import SearchError
from nas.supernet.few_shot import train_few_shot
from nas.supernet.fine_tuning import fine_tune
from nas.training import TrainingSettings, log_loss, predict_logits

FIELDS = FieldGroups((3, 4), (0, 0))
SPACE = CtrSpace(1, dims=(4,), crosses=((0, 0), (1, 16), (1, "full")), widths=(8,), seconds=((0, 0),))
SETTINGS = TrainingSettings(epochs=1, batch_size=16, rate=0.02)
LOW = CtrGenotype((4,), cross=1, rank=16)
FULL = CtrGenotype((4,), full_cross=1, tower=Tower(1, 8))


def rows(num_rows: int = 160) -> ClickRows:
    rng = np.random.default_rng(0)
    ids = rng.integers((3, 4), size=(num_rows, 2))
    return ClickRows(ids, (ids[:, 0] == ids[:, 1]).astype(np.float32), np.zeros((num_rows, 0), np.float32))


def supernet() -> CtrNetwork:
    return CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1))


def test_each_supernet_of_the_split_trains_its_own_operator_and_not_the_others() -> None:
    network = supernet()
    before = deepcopy(network.state_dict())
    parts = train_few_shot(network, rows(), SPACE, "cross", replace(SETTINGS, decay=0.0))
    assert parts.operators == ((0,), (1,), (2,))
    low, full = parts.network_of(LOW).state_dict(), parts.network_of(FULL).state_dict()
    name = "branches.cross.down.0.weight"
    assert not torch.equal(low[name], before[name])
    assert torch.equal(full[name], before[name])
    assert not torch.equal(
        full["branches.full_cross.layers.0.weight"], low["branches.full_cross.layers.0.weight"]
    )
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)


def test_fine_tuning_starts_from_the_shared_weights_and_leaves_them_alone() -> None:
    network, data = supernet(), rows()
    before = deepcopy(network.state_dict())
    tuned = fine_tune(network, LOW, data, 10, SETTINGS)
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)
    shared = log_loss(predict_logits(network, LOW, data), data)
    assert log_loss(predict_logits(tuned.network, LOW, data), data) < shared
    barely = fine_tune(network, LOW, data, 1, replace(SETTINGS, rate=1e-9))
    assert log_loss(predict_logits(barely.network, LOW, data), data) == pytest.approx(shared, abs=1e-6)


def test_fine_tuning_cannot_take_more_rows_than_there_are() -> None:
    with pytest.raises(SearchError, match="steps = 11"):
        fine_tune(supernet(), LOW, rows(), 11, SETTINGS)


def test_a_block_that_the_space_lacks_is_named() -> None:
    with pytest.raises(SearchError, match="block = 'colour'"):
        train_few_shot(supernet(), rows(), SPACE, "colour", SETTINGS)
