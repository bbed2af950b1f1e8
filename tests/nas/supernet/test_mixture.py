"""The supernet as strategies by gradient use it."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
import torch

from nas.click_data import ClickRows
from nas.ctr.fields import FieldGroups
from nas.ctr.network import CtrNetwork
from nas.ctr.space import CtrSpace
from nas.strategies.darts import Darts, DartsSettings
from nas.strategies.dsnas import Dsnas
from nas.strategies.one_shot import OneShot, OneShotSettings
from nas.strategies.proxyless import Proxyless
from nas.strategies.slopes import DescentSettings, GradientStrategy
from nas.strategies.snas import Snas, SnasSettings
from nas.supernet.mixture import SupernetRelaxation
from nas.training import TrainingSettings

FIELDS = FieldGroups((8, 8), (0, 0))
SPACE = CtrSpace(
    1,
    dims=(8,),
    dots=(0,),
    crosses=((0, 0),),
    gates=(0,),
    heads=(0,),
    depths=(0, 1),
    widths=(8,),
    seconds=((0, 0),),
)
SETTINGS = TrainingSettings(batch_size=128, rate=0.02)
BLOCKS = SPACE.search_space
FM = [block.name for block in SPACE.search_space.blocks].index("fm")


MAKERS: dict[str, Callable[[SupernetRelaxation], GradientStrategy]] = {
    "darts": lambda mixed: Darts(BLOCKS, mixed, DartsSettings(0.05, 120)),
    "darts of second order": lambda mixed: Darts(BLOCKS, mixed, DartsSettings(0.05, 120, look_ahead=0.02)),
    "snas": lambda mixed: Snas(BLOCKS, mixed, np.random.default_rng(1), SnasSettings(0.05, 120)),
    "proxyless": lambda mixed: Proxyless(BLOCKS, mixed, np.random.default_rng(1), DescentSettings(0.05, 120)),
    "dsnas": lambda mixed: Dsnas(BLOCKS, mixed, np.random.default_rng(1), DescentSettings(0.05, 120)),
}


def rows(seed: int) -> ClickRows:
    """A click where the ids agree in parity and in half: products of two fields, no field alone."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(8, size=(2000, 2))
    signs = np.random.default_rng(0).normal(size=(8, 4))
    clicks = (signs[ids[:, 0]] * signs[ids[:, 1]]).sum(axis=1) > 0.0
    return ClickRows(ids, clicks.astype(np.float32), np.zeros((2000, 0), np.float32))


def relaxation(network: CtrNetwork) -> SupernetRelaxation:
    return SupernetRelaxation(network, SPACE, (rows(1), rows(2)), SETTINGS)


def even() -> tuple[np.ndarray, ...]:
    return tuple(np.full(size, 1.0 / size) for size in SPACE.search_space.sizes)


def test_learning_changes_weights_and_slopes_leave_them_alone() -> None:
    network = CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1))
    mixed = relaxation(network)
    before = deepcopy(network.state_dict())
    slopes = mixed.slopes(even())
    assert [len(slope) for slope in slopes] == list(SPACE.search_space.sizes)
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)
    mixed.learn(even())
    assert not torch.equal(network.state_dict()["table.weight"], before["table.weight"])


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_search_by_gradient_on_the_supernet_finds_the_branch_that_multiplies(name: str) -> None:
    network = CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1))
    search = MAKERS[name](relaxation(network))
    assert search.ask()[FM] == 1
    # From a half; Adam can move a logit by 120 · 0.05 at most.
    assert search.shares[FM][1] > 0.7


def test_a_copy_begins_with_the_weights_and_goes_on_by_itself() -> None:
    first = relaxation(CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1)))
    first.learn(even())
    second = first.copy()
    architecture = (0,) * len(BLOCKS.blocks)
    assert second.loss(architecture) == first.loss(architecture)
    second.learn(even())
    assert second.loss(architecture) != first.loss(architecture)


def test_slopes_that_look_ahead_are_those_of_autograd_through_the_step() -> None:
    network = CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1))
    mixed = relaxation(network)
    for _ in range(20):
        mixed.learn(even())
    names, weights = zip(*mixed._relaxed.named_parameters(), strict=True)
    train, judging = mixed._batch(0), mixed._batch(1)
    shares = [share.requires_grad_() for share in mixed._tensors(even())]
    kept: dict[str, bool] = {"create_graph": True, "allow_unused": True, "materialize_grads": True}
    step = torch.autograd.grad(mixed._loss(train, shares), weights, **kept)
    ahead = {name: w - 0.5 * g for name, w, g in zip(names, weights, step, strict=True)}
    exact = torch.autograd.grad(mixed._loss(judging, shares, ahead), shares, **kept)
    held = {name: weight.detach() for name, weight in ahead.items()}
    first = torch.autograd.grad(mixed._loss(judging, shares, held), shares, **kept)
    before = deepcopy(network.state_dict())
    found = mixed.unrolled_slopes(even(), 0.5)
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)
    moved = max((e - f).abs().max().item() for e, f in zip(exact, first, strict=True))
    for ours, theirs in zip(found, exact, strict=True):
        # Differences of float32 gradients: two per cent of what the second order adds.
        np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=0.02 * moved)


def test_without_a_step_ahead_the_second_order_is_the_first() -> None:
    first, second = (
        relaxation(CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1))) for _ in range(2)
    )
    for ours, theirs in zip(first.unrolled_slopes(even(), 0.0), second.slopes(even()), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_one_shot_on_the_supernet_ranks_the_branch_that_multiplies_first() -> None:
    network = CtrNetwork(FIELDS, SPACE.limits, torch.Generator().manual_seed(1))
    mixed = relaxation(network)
    search = OneShot(BLOCKS, mixed, np.random.default_rng(1), OneShotSettings(120, num_ranked=40))
    first = search.ask()
    assert first[FM] == 1
    without = (*first[:FM], 0, *first[FM + 1 :])
    assert mixed.loss(first) < mixed.loss(without)
