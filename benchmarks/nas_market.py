"""Tuning by one code, hand-made models and searched ones alike; what was trained is kept."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.ctr_rivals import RIVALS, boosted_trees, draw, row_losses, tree_columns, tree_logits
from benchmarks.tree_graph import export_trees
from nas.ctr.genotype_json import genotype_to_object
from nas.ctr.network import Subnet
from nas.training import predict_logits, train_alone

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nas.click_data import ClickData, ClickRows
    from nas.ctr.fields import FieldGroups
    from nas.ctr.genotype import CtrGenotype
    from nas.space import FloatArray
    from nas.training import TrainingSettings

NUM_FINALISTS = 2
"""Draws of a hand-made model that are trained with all seeds."""


@dataclass(frozen=True)
class Market:
    """One data set and how much is spent on it."""

    data: ClickData
    fields: FieldGroups
    folder: Path
    """What was trained and measured; a run that broke off goes on from it."""
    num_draws: int
    """Of sizes and settings, for each hand-made model."""
    num_seeds: int


@dataclass(frozen=True)
class Outcome:
    """What one training gave."""

    validation: float
    """Log loss."""
    losses: FloatArray
    """Of the test rows."""
    cpu_seconds: float


@dataclass(frozen=True)
class Tuned:
    """A model with its training, and what that gave, seed by seed."""

    genotype: CtrGenotype
    settings: TrainingSettings
    outcomes: tuple[Outcome, ...]

    @property
    def validation(self) -> float:
        """Returns the mean over seeds."""
        return float(np.mean([outcome.validation for outcome in self.outcomes]))

    @property
    def losses(self) -> FloatArray:
        """Returns the test rows' losses (seeds, rows)."""
        return np.stack([outcome.losses for outcome in self.outcomes])

    def as_json(self) -> dict[str, Any]:
        """Returns the choice in plain values."""
        return {"genotype": genotype_to_object(self.genotype), "settings": asdict(self.settings)}


def train(market: Market, genotype: CtrGenotype, settings: TrainingSettings) -> Outcome:
    """Returns what training this alone gives, from the folder where it is known."""
    key = json.dumps([genotype_to_object(genotype), asdict(settings)], sort_keys=True)
    path = market.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
    if path.is_file():
        known = np.load(path)
        return Outcome(float(known["validation"]), known["losses"].astype(float), float(known["cpu_seconds"]))
    started = time.process_time()
    generator = torch.Generator().manual_seed(settings.seed)
    subnet = train_alone(Subnet(market.fields, genotype, generator), market.data.train, settings)
    cpu_seconds = time.process_time() - started

    def losses(rows: ClickRows) -> FloatArray:
        return row_losses(predict_logits(subnet.network, genotype, rows).double().numpy(), rows)

    outcome = Outcome(
        float(losses(market.data.validation).mean()),
        losses(market.data.test).astype(np.float32).astype(float),
        cpu_seconds,
    )
    market.folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part.npz")
    np.savez(
        draft,
        validation=outcome.validation,
        losses=outcome.losses.astype(np.float32),
        cpu_seconds=outcome.cpu_seconds,
    )
    draft.replace(path)
    return outcome


def train_seeds(market: Market, genotype: CtrGenotype, settings: TrainingSettings) -> Tuned:
    """Returns a model trained with every seed."""
    seeds = range(market.num_seeds)
    outcomes = tuple(train(market, genotype, replace(settings, seed=seed)) for seed in seeds)
    return Tuned(genotype, settings, outcomes)


def tune_rival(market: Market, name: str) -> Tuned:
    """Returns a hand-made model: its best draws by one seed are compared by all, on the validation part."""
    rng = np.random.default_rng(7)
    draws = [draw(market.fields.num_groups, rng) for _ in range(market.num_draws)]
    trainings = [(RIVALS[name](size), settings) for size, settings in draws]
    order = np.argsort([train(market, *training).validation for training in trainings])
    finalists = [train_seeds(market, *trainings[place]) for place in order[:NUM_FINALISTS]]
    return min(finalists, key=lambda tuned: tuned.validation)


@dataclass(frozen=True)
class Trees:
    """The tuned ensemble, which no seed changes."""

    content: bytes
    """An ONNX graph."""
    validation: float
    losses: FloatArray
    """Of the test rows, (1, rows)."""
    columns: NDArray[np.float32]
    """A few test rows as the graph reads them."""


def tune_trees(market: Market, batch: int) -> Trees:
    """Returns boosted trees, the best of as many draws on the validation part."""
    data = market.data
    model = boosted_trees(data, market.num_draws, np.random.default_rng(7))
    validation, test = (
        row_losses(tree_logits(model, data, rows), rows) for rows in (data.validation, data.test)
    )
    columns = tree_columns(data, data.test)[:batch].astype(np.float32)
    return Trees(export_trees(model), float(validation.mean()), test[None], columns)
