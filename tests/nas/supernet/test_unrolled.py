"""The second-order slope against derivatives by hand and by autograd through the step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from nas.supernet.unrolled import unrolled_slopes

if TYPE_CHECKING:
    from nas.supernet.unrolled import Loss, Tensors


def test_by_hand() -> None:
    # w' = w − ξ (w − p); d/dp [½ w'² + p] = ξ w' + 1. The losses are quadratic, so the difference is exact.
    weight, share = torch.tensor([2.0], dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    (slope,) = unrolled_slopes(
        lambda w, p: 0.5 * ((w[0] - p[0]) ** 2).sum(),
        lambda w, p: (0.5 * w[0] ** 2 + p[0]).sum(),
        [weight],
        [share],
        look_ahead=0.1,
    )
    assert slope.item() == pytest.approx(0.1 * (2.0 - 0.1 * 1.5) + 1.0, rel=1e-9)
    assert weight.item() == 2.0


def test_a_small_net_of_mixed_operations_has_the_slopes_of_autograd() -> None:
    draw = torch.Generator().manual_seed(3)
    x = torch.randn((40, 3), generator=draw, dtype=torch.float64)
    y = torch.sin(x.sum(dim=1))
    weights = [torch.randn((3, 3), generator=draw, dtype=torch.float64) for _ in range(3)]
    head = torch.randn(3, generator=draw, dtype=torch.float64)
    shares = [torch.tensor(p, dtype=torch.float64) for p in ([0.2, 0.8], [0.5, 0.3, 0.2])]

    def loss(rows: slice) -> Loss:
        def of(w: Tensors, p: Tensors) -> torch.Tensor:
            hidden = p[0][0] * torch.tanh(x[rows] @ w[0]) + p[0][1] * torch.relu(x[rows] @ w[1])
            out = p[1][0] * hidden + p[1][1] * hidden @ w[2] + p[1][2] * hidden.square()
            return ((out @ w[3] - y[rows]) ** 2).mean()

        return of

    train, judge = loss(slice(0, 20)), loss(slice(20, 40))
    held = [w.clone().requires_grad_() for w in (*weights, head)]
    mixed = [p.clone().requires_grad_() for p in shares]
    step = torch.autograd.grad(train(held, mixed), held, create_graph=True)
    after = judge([w - 0.05 * g for w, g in zip(held, step, strict=True)], mixed)
    exact = torch.autograd.grad(after, mixed)
    found = unrolled_slopes(train, judge, [*weights, head], shares, 0.05)
    first = unrolled_slopes(train, judge, [*weights, head], shares, 0.0)
    for ours, theirs, plain in zip(found, exact, first, strict=True):
        assert (theirs - plain).abs().max() > 0.05 * theirs.abs().max()
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


def test_where_the_judge_does_not_see_the_weights_its_own_slope_is_left() -> None:
    (slope,) = unrolled_slopes(
        lambda w, p: (w[0] * p[0]).sum(),
        lambda _, p: p[0].sum(),
        [torch.ones(1)],
        [torch.ones(1)],
        look_ahead=0.1,
    )
    assert slope.item() == 1.0
