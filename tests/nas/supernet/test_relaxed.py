"""The supernet under mixtures of operations."""

import numpy as np
import pytest
import torch

from nas.ctr.fields import FieldGroups
from nas.ctr.network import CtrNetwork
from nas.ctr.space import CtrSpace
from nas.errors import SearchError
from nas.supernet.relaxed import RelaxedNetwork

FIELDS = FieldGroups((3, 4, 9, 30), (0, 0, 1, 1))
SPACE = CtrSpace(2, dims=(2, 4, 8), widths=(8, 16), depths=(0, 1, 3), seconds=((0, 0), (1, 8), (2, 4)))


def networks(space: CtrSpace = SPACE) -> tuple[CtrNetwork, RelaxedNetwork]:
    network = CtrNetwork(FIELDS, space.limits, torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in network.parameters():
            # Biases, gains and gates start at 0 or 1, where mistakes in them would not be seen.
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    return network, RelaxedNetwork(network, space)


def rows() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).integers(FIELDS.num_ids, size=(6, 4)))


def pure(space: CtrSpace, architecture: tuple[int, ...]) -> list[torch.Tensor]:
    return [
        torch.eye(size)[choice] for size, choice in zip(space.search_space.sizes, architecture, strict=True)
    ]


def test_one_operation_in_every_block_gives_the_logits_of_its_path() -> None:
    network, relaxed = networks()
    rng = np.random.default_rng(4)
    for _ in range(150):
        architecture = SPACE.search_space.sample(rng)
        expected = network(rows(), network.path(SPACE.decode(architecture)))
        torch.testing.assert_close(relaxed(rows(), pure(SPACE, architecture)), expected, rtol=1e-4, atol=1e-4)


def test_a_block_without_anything_after_it_mixes_linearly() -> None:
    network, relaxed = networks()
    choices = list(SPACE.encode(SPACE.decode(SPACE.search_space.sample(np.random.default_rng(5)))))
    wide = [block.name for block in SPACE.search_space.blocks].index("wide")
    ends = []
    for choice in (0, 1):
        choices[wide] = choice
        ends.append(network(rows(), network.path(SPACE.decode(tuple(choices)))))
    shares = pure(SPACE, tuple(choices))
    shares[wide] = torch.tensor([0.25, 0.75])
    torch.testing.assert_close(relaxed(rows(), shares), 0.25 * ends[0] + 0.75 * ends[1], rtol=1e-4, atol=1e-4)


def test_slopes_of_shares_are_those_of_finite_differences() -> None:
    _, relaxed = networks()
    relaxed = relaxed.double()
    shares = [
        torch.softmax(torch.linspace(-0.5, 0.7, size, dtype=torch.float64), 0).requires_grad_()
        for size in SPACE.search_space.sizes
    ]
    relaxed(rows(), shares).sum().backward()
    for place, share in enumerate(shares):
        assert share.grad is not None
        for entry in range(len(share)):
            step = torch.zeros_like(share)
            step[entry] = 1e-6
            up, down = (
                relaxed(rows(), [*shares[:place], share.detach() + sign * step, *shares[place + 1 :]]).sum()
                for sign in (1.0, -1.0)
            )
            assert share.grad[entry].item() == pytest.approx((up - down).item() / 2e-6, rel=1e-4, abs=1e-5)


def test_a_space_that_does_not_mix_is_refused() -> None:
    for space, said in (
        (CtrSpace(2, dims=(0, 4)), r"space\.dims = \(0, 4\)"),
        (CtrSpace(2, dims=(4,), depths=(0,)), r"space\.depths = \(0,\)"),
    ):
        network = CtrNetwork(FIELDS, space.limits, torch.Generator().manual_seed(1))
        with pytest.raises(SearchError, match=said):
            RelaxedNetwork(network, space)
