"""Trains a network on the paths that a plan names, alone or on several devices; resumable to the bit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from nas.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path as File

    from nas.click_data import ClickRows
    from nas.ctr.genotype import CtrGenotype
    from nas.ctr.network import CtrNetwork, Subnet
    from nas.ctr.path import Path


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained: AdamW, its rate rising over the first steps and then falling to 0."""

    epochs: int = 2
    batch_size: int = 512
    """Rows a step, over all processes together."""
    rate: float = 3e-3
    decay: float = 1e-4
    """Weight decay, decoupled (Loshchilov and Hutter 2019)."""
    warm_up: float = 0.05
    """Share of the steps over which the rate rises."""
    device: str = "cpu"
    mixed_precision: bool = False
    """Multiplies in bfloat16, whose range needs no scaling of the loss."""
    seed: int = 0
    """Orders the rows."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "rate"):
            if not getattr(self, name) > 0:
                raise SearchError(f"training.{name}", getattr(self, name), "must be positive")
        if self.decay < 0.0:
            raise SearchError("training.decay", self.decay, "must not be negative")
        if not 0.0 <= self.warm_up < 1.0:
            raise SearchError("training.warm_up", self.warm_up, "must be in [0, 1)")


@dataclass(frozen=True)
class StepPaths:
    """The paths of one step; their mean loss is minimised."""

    genotypes: tuple[CtrGenotype, ...]
    distil: bool = False
    """The first teaches the others (in-place distillation)."""


class Plan(Protocol):
    """Names the paths of every step; equal steps have equal paths, so that training can be resumed."""

    def __call__(self, step: int) -> StepPaths:
        """Gives the paths of a step, counted from 0."""
        ...


class Training:
    """A network under training: everything random is a function of seed and step.

    Where `torch.distributed` is initialised, every process takes its share of each batch and gradients are
    averaged by `DistributedDataParallel`; all processes must have the same rows, plan and settings.
    """

    def __init__(self, network: CtrNetwork, rows: ClickRows, plan: Plan, settings: TrainingSettings) -> None:
        self._settings = settings
        self._plan = plan
        self._network = network.to(settings.device)
        self._ids = torch.from_numpy(rows.ids).to(settings.device)
        self._clicks = torch.from_numpy(rows.clicks).to(settings.device)
        # Separate tensors of many small weights: one fused kernel instead of a loop.
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.rate, weight_decay=settings.decay, fused=True
        )
        loss: nn.Module = _PathLoss(self._network)
        self._shared = distributed.is_available() and distributed.is_initialized()
        self._loss = DistributedDataParallel(loss, find_unused_parameters=True) if self._shared else loss
        self._steps_per_epoch = -(-len(rows) // settings.batch_size)
        self.step = 0
        """Steps done."""
        self.num_steps = settings.epochs * self._steps_per_epoch

    def run(self, steps: int | None = None, report: Callable[[int, int], None] | None = None) -> None:
        """Does so many steps, or all that are left; `report(done, all)` after each."""
        last = self.num_steps if steps is None else min(self.step + steps, self.num_steps)
        self._network.train()
        order, ordered = np.empty(0, np.int64), -1
        while self.step < last:
            epoch, batch = divmod(self.step, self._steps_per_epoch)
            if epoch != ordered:
                order = np.random.default_rng((self._settings.seed, epoch)).permutation(len(self._ids))
                ordered = epoch
            start = batch * self._settings.batch_size
            self._learn(self._share(order[start : start + self._settings.batch_size]))
            self.step += 1
            if report is not None:
                report(self.step, self.num_steps)

    def save(self, file: File) -> None:
        """Writes what is needed to go on, whole or not at all."""
        state = {
            "step": self.step,
            "settings": asdict(self._settings),
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        unfinished = file.with_name(file.name + ".part")
        torch.save(state, unfinished)
        unfinished.replace(file)

    def load(self, file: File) -> None:
        """Goes on from a checkpoint: the same weights, to the bit, as without the interruption.

        Raises:
            SearchError: it was written under other settings.
        """
        state: dict[str, Any] = torch.load(file, map_location=self._settings.device, weights_only=True)
        for name, value in asdict(self._settings).items():
            if name != "device" and state["settings"][name] != value:
                raise SearchError(f"training.{name}", value, f"the checkpoint has {state['settings'][name]}")
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]

    def _learn(self, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.rate * self._schedule()
        rows = torch.from_numpy(chosen).to(self._settings.device)
        planned = self._plan(self.step)
        paths = [self._network.path(genotype) for genotype in planned.genotypes]
        self._optimiser.zero_grad(set_to_none=True)
        kind = torch.device(self._settings.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self._settings.mixed_precision):
            loss = self._loss(self._ids[rows], self._clicks[rows], paths, planned.distil)
        loss.backward()
        self._optimiser.step()

    def _schedule(self) -> float:
        """Gives the share of the full rate: linear up, then linear down to 0."""
        done = (self.step + 1) / self.num_steps
        warm = self._settings.warm_up
        return done / warm if done < warm else (1.0 - done) / (1.0 - warm) + 1.0 / self.num_steps

    def _share(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Any:
        """Gives this process's rows of a batch: equally many each, so that means average to the mean."""
        if not self._shared:
            return rows
        size = distributed.get_world_size()
        even = rows[: len(rows) // size * size] if len(rows) >= size else np.resize(rows, size)
        return even[distributed.get_rank() :: size]


class _PathLoss(nn.Module):
    """Mean over paths of the log loss; one module, so that one backward pass sees all paths."""

    def __init__(self, network: CtrNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, ids: torch.Tensor, clicks: torch.Tensor, paths: list[Path], distil: bool
    ) -> torch.Tensor:
        """Gives the loss of a batch.

        With `distil`, paths after the first learn half from the clicks and half from the first's
        predictions (Yu et al. 2020, BigNAS, section 3.1; the mixture is ours: clicks are noisy).
        """
        target, losses = clicks, []
        for path in paths:
            logit = self.network(ids, path).float()
            losses.append(functional.binary_cross_entropy_with_logits(logit, target))
            if distil and len(losses) == 1:
                target = 0.5 * clicks + 0.5 * torch.sigmoid(logit.detach())
        return torch.stack(losses).mean()


def train_alone(subnet: Subnet, rows: ClickRows, settings: TrainingSettings) -> Subnet:
    """Trains one architecture by itself, in place."""
    paths = StepPaths((subnet.genotype,))
    Training(subnet.network, rows, lambda _: paths, settings).run()
    return subnet


def predict_logits(network: CtrNetwork, genotype: CtrGenotype, rows: ClickRows) -> torch.Tensor:
    """Gives the logits (n,) of a path on the CPU."""
    device = network.bias.device
    path = network.path(genotype)
    network.eval()
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(rows.ids), 8192)
        return torch.cat([network(batch.to(device), path).float().cpu() for batch in batches])


def log_loss(logits: torch.Tensor, rows: ClickRows) -> float:
    """Gives the mean log loss of logits (n,)."""
    loss = functional.binary_cross_entropy_with_logits(
        logits.double(), torch.from_numpy(rows.clicks).double()
    )
    return float(loss)
