"""The slope of a loss in the shares where the weights answer to them by one step: DARTS of second order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Tensors: TypeAlias = "Sequence[torch.Tensor]"
    Loss: TypeAlias = "Callable[[Tensors, Tensors], torch.Tensor]"

PROBE: Final = 1e-3
"""Length of the step by which weights are moved to take a second derivative.

The paper takes ten times as much, which on small nets crosses kinks of relu that the derivative does not see.
"""


def unrolled_slopes(
    train: Loss, judge: Loss, weights: Tensors, shares: Tensors, look_ahead: float
) -> list[torch.Tensor]:
    """Gives ∂/∂p judge(w', p), where w' = w − ξ ∂/∂w train(w, p) moves with p.

    With v = ∂/∂w' judge(w', p) the chain rule gives ∂/∂p judge(w', p) − ξ ∂²/∂p∂w train(w, p) · v, and
    ∂²/∂p∂w train · v ≈ [∂/∂p train(w + ε v, p) − ∂/∂p train(w − ε v, p)] / 2ε with ε = PROBE / ‖v‖: four
    gradients, no Hessian. The step is a plain one, whatever the optimiser that trains.

    Args:
        train: the loss that the weights learn from, of weights and shares.
        judge: the loss on other rows.
        weights: w, left as they are.
        shares: p, one tensor a block.
        look_ahead: ξ.

    Source: Liu et al. 2019, DARTS (arXiv 1806.09055), equations 7 and 8.
    """
    held = [weight.detach().requires_grad_() for weight in weights]
    mixed = [share.detach().requires_grad_() for share in shares]
    step = _gradients(train(held, mixed), held)
    ahead = [
        (weight - look_ahead * g).detach().requires_grad_() for weight, g in zip(held, step, strict=True)
    ]
    both = _gradients(judge(ahead, mixed), [*mixed, *ahead])
    direct, v = both[: len(mixed)], both[len(mixed) :]
    length = torch.sqrt(torch.stack([g.square().sum() for g in v]).sum())
    if length == 0.0:  # the judged loss does not see the weights
        return direct
    epsilon = PROBE / length
    up, down = (
        _gradients(
            train([(weight + sign * epsilon * g).detach() for weight, g in zip(held, v, strict=True)], mixed),
            mixed,
        )
        for sign in (1.0, -1.0)
    )
    return [
        slope - look_ahead * (above - below) / (2.0 * epsilon)
        for slope, above, below in zip(direct, up, down, strict=True)
    ]


def _gradients(loss: torch.Tensor, of: Tensors) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, of, allow_unused=True, materialize_grads=True))
