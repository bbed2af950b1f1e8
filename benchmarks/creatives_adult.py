"""UCI adult as a creative problem, in AutoCO's protocol: guess the income class from eight fields.

Two creatives, one for each class; reward 1 if the class fits. 48,842 people, each met once, in random order.
Chen et al. (2021), Automated creative optimization for e-commerce advertising; Kohavi (1996), UCI adult.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome
from bandit.snapshot import load
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIELDS = {
    "workclass": 1,
    "education": 3,
    "marital-status": 5,
    "occupation": 6,
    "relationship": 7,
    "race": 8,
    "sex": 9,
    "native-country": 13,
}
CLASSES = ("<=50K", ">50K")


@dataclass(frozen=True)
class Adult:
    """contexts: ids of each person; classes (N,): 1 above 50,000 dollars."""

    catalogue: CreativeCatalogue
    contexts: list[dict[str, int]]
    classes: NDArray[np.int64]

    @classmethod
    def load(cls, folder: Path) -> Adult:
        """Reads both files of the set."""
        rows = [row for name in ("adult.data", "adult.test") for row in _rows(folder / name)]
        ids = {name: sorted({row[column] for row in rows}) for name, column in FIELDS.items()}
        numbers = {name: {value: n for n, value in enumerate(values)} for name, values in ids.items()}
        contexts = [{name: numbers[name][row[column]] for name, column in FIELDS.items()} for row in rows]
        catalogue = CreativeCatalogue(
            tuple(ContextField(name, len(values)) for name, values in ids.items()),
            (Slot("segment", CLASSES),),
            (CreativeSpace("adult", tuple(FIELDS)),),
        )
        return cls(catalogue, contexts, np.array([CLASSES.index(row[14].rstrip(".")) for row in rows]))


def _rows(path: Path) -> list[list[str]]:
    with path.open() as file:
        return [row for row in csv.reader(file, skipinitialspace=True) if len(row) == 15]


@dataclass(frozen=True)
class AdultRun:
    """Rewards in the order met, and what the parts took."""

    rewards: NDArray[np.float64]
    select_microseconds: float
    learn_seconds: float


def play(adult: Adult, settings: LearnerSettings, batch: int, seed: int) -> AdultRun:
    """Meets everybody once; the learner publishes after each batch, through files, as in service."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(adult.contexts))
    rewards: list[float] = []
    selecting, learning = 0.0, []
    with TemporaryDirectory() as name:
        root = Path(name)
        learner = CreativeLearner(adult.catalogue, root, settings)
        version = learner.start(0.0).version
        for start in range(0, order.size, batch):
            selector = load(root, version).selector()
            selector.warm_up()
            people = order[start : start + batch].tolist()
            draws, floors = rng.integers(settings.num_draws, size=batch), rng.random(batch)
            began = perf_counter()
            shown = [
                selector.select("adult", adult.contexts[person], draw, u).elements
                for person, draw, u in zip(people, draws.tolist(), floors.tolist(), strict=False)
            ]
            selecting += perf_counter() - began
            outcomes = [
                CreativeOutcome(
                    "adult", adult.contexts[p], e, float(e["segment"] == CLASSES[adult.classes[p]])
                )
                for p, e in zip(people, shown, strict=True)
            ]
            began = perf_counter()
            version = learner.learn(outcomes, start + len(people), 0.0)
            learning.append(perf_counter() - began)
            rewards.extend(outcome.reward for outcome in outcomes)
    return AdultRun(np.array(rewards), 1e6 * selecting / order.size, float(np.median(learning)))
