"""The supernet for strategies by gradient: weights learn from one part of a log, shares from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

from nas.click_data import ClickRows
from nas.supernet.relaxed import RelaxedNetwork
from nas.training import log_loss, predict_logits

if TYPE_CHECKING:
    from nas.ctr.network import CtrNetwork
    from nas.ctr.space import CtrSpace
    from nas.space import Architecture, FloatArray
    from nas.strategies.slopes import Shares
    from nas.training import TrainingSettings


JUDGED_ROWS: Final = 8192
"""Of the second part, that rank architectures."""


class SupernetRelaxation:
    """A supernet, its optimiser and both parts of a log: a `Relaxation` and a `OneShotModel`.

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
        self._network, self._space = network, space
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

    def learn(self, shares: Shares) -> None:
        """Does one step of AdamW on the weights."""
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(self._loss(0, [self._tensor(share) for share in shares]))
        self._optimiser.step()

    def slopes(self, shares: Shares) -> Shares:
        """Gives ∂ log loss / ∂ share on a batch of the second part."""
        tensors = [self._tensor(share).requires_grad_() for share in shares]
        slopes = torch.autograd.grad(
            self._loss(1, tensors), tensors, allow_unused=True, materialize_grads=True
        )
        return tuple(slope.double().cpu().numpy() for slope in slopes)

    def loss(self, architecture: Architecture) -> float:
        """Gives the log loss of one architecture on the first rows of the second part."""
        logits = predict_logits(self._network, self._space.decode(architecture), self._judging)
        return log_loss(logits, self._judging)

    def _loss(self, part: int, shares: list[torch.Tensor]) -> torch.Tensor:
        ids, clicks = self._parts[part]
        rng = np.random.default_rng((self._settings.seed, part, self._steps[part]))
        self._steps[part] += 1
        rows = torch.from_numpy(rng.integers(len(ids), size=self._settings.batch_size)).to(ids.device)
        return functional.binary_cross_entropy_with_logits(self._relaxed(ids[rows], shares), clicks[rows])

    def _tensor(self, share: FloatArray) -> torch.Tensor:
        return torch.tensor(share, dtype=torch.float32, device=self._settings.device)
