"""CTR models written by hand, as points of our space or from scikit-learn, and how they are tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.ctr import MAX_TREE_IDS, frequent_ids
from nas.ctr.genotype import CtrGenotype, Tower
from nas.training import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.click_data import ClickData, ClickRows
    from nas.space import FloatArray


@dataclass(frozen=True)
class Size:
    """What is drawn of a hand-made model."""

    groups: int
    dim: int
    tower: Tower

    @property
    def dims(self) -> tuple[int, ...]:
        """The same dimension for all fields, as those models have it."""
        return (self.dim,) * self.groups


RIVALS: dict[str, Callable[[Size], CtrGenotype]] = {
    "LR": lambda s: CtrGenotype((0,) * s.groups),
    "FM": lambda s: CtrGenotype(s.dims, fm=True),
    "DeepFM": lambda s: CtrGenotype(s.dims, fm=True, tower=s.tower, merge="parallel"),
    "DCNv2": lambda s: CtrGenotype(s.dims, wide=False, full_cross=2, tower=s.tower, merge="parallel"),
    "DLRM": lambda s: CtrGenotype(s.dims, wide=False, pairs=True, tower=s.tower),
    "FinalMLP": lambda s: CtrGenotype(s.dims, wide=False, tower=s.tower, second=s.tower),
    "MaskNet": lambda s: CtrGenotype(s.dims, wide=False, gate=2, tower=s.tower),
    # One factor scales all three sizes (Tan and Le 2019, EfficientNet): here by the drawn dimension.
    "scaled DCNv2": lambda s: CtrGenotype(
        s.dims,
        wide=False,
        full_cross=max(1, s.dim // 8),
        tower=Tower(max(1, s.dim // 8), 8 * s.dim),
        merge="parallel",
    ),
}


# What is drawn of every model's training: those of hand-made models and of searched ones alike.
SETTINGS: dict[str, tuple[Any, ...]] = {
    "epochs": (1, 2, 4, 8),
    "rate": (1e-3, 3e-3, 1e-2, 3e-2),
    "decay": (1e-4, 1e-2, 1e-1, 5e-1),
}


def draw(groups: int, rng: np.random.Generator) -> tuple[Size, TrainingSettings]:
    """Draws a model's size and training; every rival gets the same draws."""
    tower = Tower(int(rng.choice([1, 2, 3])), int(rng.choice([32, 64, 128])))
    size = Size(groups, int(rng.choice([4, 8, 16, 32])), tower)
    drawn = {name: values[int(rng.integers(len(values)))] for name, values in SETTINGS.items()}
    return size, TrainingSettings(**drawn)


def boosted_trees(data: ClickData, budget: int, rng: np.random.Generator) -> Any:
    """Returns the ensemble of least validation loss among as many draws."""
    best, best_loss = None, np.inf
    for _ in range(budget):
        model = HistGradientBoostingClassifier(
            learning_rate=float(rng.choice([0.03, 0.1])),
            max_iter=int(rng.choice([50, 100, 200])),
            max_leaf_nodes=int(rng.choice([8, 15, 31])),
            l2_regularization=float(rng.choice([0.0, 1.0, 10.0])),
            categorical_features=np.arange(len(data.num_ids)) >= data.num_numeric,
            early_stopping=False,
            random_state=0,
        ).fit(tree_columns(data, data.train), data.train.clicks)
        loss = row_losses(tree_logits(model, data, data.validation), data.validation).mean()
        if loss < best_loss:
            best, best_loss = model, loss
    return best


def tree_logits(model: Any, data: ClickData, rows: ClickRows) -> FloatArray:
    """Returns the log odds (n,)."""
    log_odds: FloatArray = logit(model.predict_proba(tree_columns(data, rows))[:, 1])
    return log_odds


def tree_columns(data: ClickData, rows: ClickRows) -> FloatArray:
    """Returns numbers as they are and at most MAX_TREE_IDS ids a field."""
    columns = [rows.numeric.astype(np.float64)]
    for field in range(data.num_numeric, len(data.num_ids)):
        together = np.concatenate([data.train.ids[:, field], rows.ids[:, field]])
        train = np.arange(len(data.train))
        columns.append(frequent_ids(together, train)[len(train) :, None])
    assert all(column.max(initial=0) < MAX_TREE_IDS for column in columns[1:])
    return np.concatenate(columns, axis=1)


def row_losses(logits: FloatArray, rows: ClickRows) -> FloatArray:
    """Returns each row's log loss."""
    losses: FloatArray = np.logaddexp(0.0, np.where(rows.clicks == 1.0, -logits, logits))
    return losses
