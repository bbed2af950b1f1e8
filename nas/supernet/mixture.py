"""The supernet for strategies by gradient: weights learn from one part of a log, shares from another."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import torch
from torch.func import functional_call
from torch.nn import functional

from nas.click_data import ClickRows
from nas.supernet.relaxed import RelaxedNetwork
from nas.supernet.unrolled import unrolled_slopes
from nas.training import log_loss, predict_logits

if TYPE_CHECKING:
    from nas.ctr.network import CtrNetwork
    from nas.ctr.space import CtrSpace
    from nas.space import Architecture
    from nas.strategies.slopes import Shares
    from nas.supernet.unrolled import Loss, Tensors
    from nas.training import TrainingSettings

    Batch: TypeAlias = tuple[torch.Tensor, torch.Tensor]


JUDGED_ROWS: Final = 8192
"""Of the second part, that rank architectures."""


class SupernetRelaxation:
    """A supernet, its optimiser and both parts of a log: an `UnrolledRelaxation` and a `SplittableModel`.

    Batches are drawn with replacement, by seed and step. The rate stays as it is set: how long the search
    goes on is the strategy's affair, so `epochs` and `warm_up` say nothing here.
    """

    def __init__(
        self,
        network: CtrNetwork,
        space: CtrSpace,
        parts: tuple[ClickRows, ClickRows],
        settings: TrainingSettings,
    ) -> None:
        self._network, self._space, self._rows = network, space, parts
        judging = parts[1]
        self._judging = ClickRows(
            judging.ids[:JUDGED_ROWS], judging.clicks[:JUDGED_ROWS], judging.numeric[:JUDGED_ROWS]
        )
        self._relaxed = RelaxedNetwork(network, space).to(settings.device)
        self._parts = [
            (
                torch.from_numpy(rows.ids).to(settings.device),
                torch.from_numpy(rows.clicks).to(settings.device),
            )
            for rows in parts
        ]
        self._settings = settings
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.rate, weight_decay=settings.decay, fused=True
        )
        self._steps = [0, 0]

    def copy(self) -> SupernetRelaxation:
        """Gives another one that begins with the same weights, and goes on with an optimiser of its own."""
        other = SupernetRelaxation(deepcopy(self._network), self._space, self._rows, self._settings)
        other._steps = list(self._steps)
        return other

    def learn(self, shares: Shares) -> None:
        """Does one step of AdamW on the weights."""
        self._optimiser.zero_grad(set_to_none=True)
        rows = self._batch(0)
        torch.autograd.backward(self._loss(rows, self._tensors(shares)))
        self._steps[0] += 1
        self._optimiser.step()

    def slopes(self, shares: Shares) -> Shares:
        """Gives ∂ log loss / ∂ share on a batch of the second part."""
        tensors = [tensor.requires_grad_() for tensor in self._tensors(shares)]
        slopes = torch.autograd.grad(
            self._loss(self._batch(1), tensors), tensors, allow_unused=True, materialize_grads=True
        )
        self._steps[1] += 1
        return _arrays(slopes)

    def unrolled_slopes(self, shares: Shares, look_ahead: float) -> Shares:
        """Gives the same after the step that the weights would do next, which the shares move as well."""
        named = dict(self._relaxed.named_parameters())
        train, judging = self._batch(0), self._batch(1)

        def loss(rows: Batch) -> Loss:
            return lambda weights, mixed: self._loss(rows, mixed, dict(zip(named, weights, strict=True)))

        slopes = unrolled_slopes(
            loss(train), loss(judging), list(named.values()), self._tensors(shares), look_ahead
        )
        self._steps[1] += 1
        return _arrays(slopes)

    def loss(self, architecture: Architecture) -> float:
        """Gives the log loss of one architecture on the first rows of the second part."""
        logits = predict_logits(self._network, self._space.decode(architecture), self._judging)
        return log_loss(logits, self._judging)

    def _batch(self, part: int) -> Batch:
        """Draws the ids and clicks of a part's next step."""
        ids, clicks = self._parts[part]
        rng = np.random.default_rng((self._settings.seed, part, self._steps[part]))
        rows = torch.from_numpy(rng.integers(len(ids), size=self._settings.batch_size)).to(ids.device)
        return ids[rows], clicks[rows]

    def _loss(
        self, rows: Batch, shares: Tensors, weights: dict[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Gives the log loss of a batch, with other weights than the supernet's where they are given."""
        ids, clicks = rows
        logits = functional_call(self._relaxed, weights or {}, (ids, shares))
        return functional.binary_cross_entropy_with_logits(logits, clicks)

    def _tensors(self, shares: Shares) -> list[torch.Tensor]:
        device = self._settings.device
        return [torch.tensor(share, dtype=torch.float32, device=device) for share in shares]


def _arrays(slopes: Tensors) -> Shares:
    return tuple(slope.double().cpu().numpy() for slope in slopes)
