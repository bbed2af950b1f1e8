"""A click log drawn from a known law: the loss that no model can beat is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from nas.click_data import ClickData, Columns, split_columns
from nas.errors import SearchError

if TYPE_CHECKING:
    from nas.click_data import Ints
    from nas.space import FloatArray


@dataclass(frozen=True)
class LogLaw:
    """How clicks come about: ids by Zipf's law, log odds by single fields, pairs and products of three."""

    num_ids: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8, 10, 10, 12, 12, 15, 15, 20, 20, 20, 25, 25, 30, 30)
    zipf: float = 1.0
    """The id at place r comes up in proportion to r^−zipf."""
    num_pairs: int = 8
    num_triples: int = 3
    rank: int = 3
    """Of the effect of a pair: ⟨u[a], v[b]⟩."""
    single: float = 0.7
    pair: float = 2.0
    triple: float = 1.0
    """Standard deviations of the three sums of effects, in log odds."""
    click_rate: float = 0.2

    def __post_init__(self) -> None:
        if len(self.num_ids) < 3 or min(self.num_ids) < 2:
            raise SearchError(
                "law.num_ids", self.num_ids, "must be at least three fields of at least two ids"
            )
        if not 0.0 < self.click_rate < 1.0:
            raise SearchError("law.click_rate", self.click_rate, "must be in (0, 1)")


@dataclass(frozen=True)
class GeneratedLog:
    """A log and the mean log loss of the true chances on its test part."""

    data: ClickData
    bayes_loss: float


def generate_log(law: LogLaw, num_rows: int, rng: np.random.Generator) -> GeneratedLog:
    """Draws rows independently: 60 % train, 20 % validate, 20 % test."""
    ids = np.stack([_zipf(size, law.zipf, num_rows, rng) for size in law.num_ids], axis=1)
    score = law.single * _standard(_singles(law, ids, rng))
    score += law.pair * _standard(_pairs(law, ids, rng))
    score += law.triple * _standard(_triples(law, ids, rng))
    intercept = brentq(lambda b: expit(score + b).mean() - law.click_rate, -50.0, 50.0)
    chance = expit(score + intercept)
    clicks = (rng.random(num_rows) < chance).astype(np.float64)
    cuts = (num_rows * 6 // 10, num_rows * 8 // 10)
    parts = dict(zip(("train", "validation", "test"), np.split(np.arange(num_rows), cuts), strict=True))
    columns = Columns(np.zeros((num_rows, 0), np.float32), ids, law.num_ids, clicks)
    data = split_columns("generated", columns, parts)
    truth, clicked = chance[parts["test"]], clicks[parts["test"]]
    loss = -np.where(clicked == 1.0, np.log(truth), np.log1p(-truth)).mean()
    return GeneratedLog(data, float(loss))


def _zipf(size: int, exponent: float, num_rows: int, rng: np.random.Generator) -> Ints:
    weights = np.arange(1, size + 1) ** -exponent
    return rng.choice(size, num_rows, p=weights / weights.sum())


def _singles(law: LogLaw, ids: Ints, rng: np.random.Generator) -> FloatArray:
    effects = [rng.normal(size=size)[ids[:, field]] for field, size in enumerate(law.num_ids)]
    total: FloatArray = np.sum(effects, axis=0)
    return total


def _pairs(law: LogLaw, ids: Ints, rng: np.random.Generator) -> FloatArray:
    total = np.zeros(len(ids))
    for _ in range(law.num_pairs):
        a, b = rng.choice(len(law.num_ids), 2, replace=False)
        left, right = (rng.normal(size=(law.num_ids[f], law.rank))[ids[:, f]] for f in (a, b))
        total += (left * right).sum(axis=1)
    return total


def _triples(law: LogLaw, ids: Ints, rng: np.random.Generator) -> FloatArray:
    total = np.zeros(len(ids))
    for _ in range(law.num_triples):
        fields = rng.choice(len(law.num_ids), 3, replace=False)
        total += np.prod([rng.normal(size=law.num_ids[f])[ids[:, f]] for f in fields], axis=0)
    return total


def _standard(values: FloatArray) -> FloatArray:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0.0 else np.zeros_like(values)
