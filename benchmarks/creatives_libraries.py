"""Rivals from maintained libraries: Vowpal Wabbit's cb_explore_adf and MABWiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from mabwiser.mab import MAB, LearningPolicy
from vowpalwabbit import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.creatives_tables import Table

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]

VW_OPTIONS = {
    "bag": "--bag 5 --greedify",
    "squarecb": "--squarecb --gamma_scale 100",
    "cover": "--cover 4",
    "regcb": "--regcb --mellowness 0.01",
}


class VowpalWabbit:
    """Contextual bandit over the listed creatives; within a period the model and so the chances are fixed."""

    def __init__(self, table: Table, seed: int, options: str) -> None:
        self.feasible = [np.flatnonzero(row) for row in table.feasible]
        self.workspace = Workspace(f"--cb_explore_adf {options} --random_seed {seed} --quiet")
        self.shared = [
            "shared |c " + " ".join(f"{name}={value}" for name, value in context.items())
            for context in table.contexts
        ]
        self.actions = [
            "|a " + " ".join(f"{slot}={element}" for slot, element in creative.items())
            for creative in table.creatives
        ]
        self.chances: dict[int, Floats] = {}

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression."""
        chosen = np.empty(items.size, np.int64)
        for item in np.unique(items):
            where = np.flatnonzero(items == item)
            chosen[where] = rng.choice(self.feasible[item], size=where.size, p=self._chances(int(item)))
        return chosen

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Learns one impression after the other, with the chances under which they were chosen."""
        for item, creative, click in zip(items.tolist(), chosen.tolist(), clicks.tolist(), strict=True):
            place = int(np.searchsorted(self.feasible[item], creative))
            lines = [self.shared[item], *(self.actions[c] for c in self.feasible[item])]
            lines[place + 1] = f"0:{-click}:{self._logged(item)[place]} {lines[place + 1]}"
            self.workspace.learn(lines)
        self.chances = {}

    def _logged(self, item: int) -> Floats:
        """The chances under which the item was shown: uniform in the warm-up, when nobody asked."""
        count = self.feasible[item].size
        return self.chances.get(item, np.full(count, 1.0 / count))

    def _chances(self, item: int) -> Floats:
        if item not in self.chances:
            lines = [self.shared[item], *(self.actions[c] for c in self.feasible[item])]
            found = np.array(self.workspace.predict(lines))
            self.chances[item] = found / found.sum()
        return self.chances[item]


class MabWiser:
    """MABWiser's LinUCB (or Thompson sampling where there is no context), an arm for each creative."""

    def __init__(self, table: Table, seed: int, alpha: float = 0.1) -> None:
        self.feasible = table.feasible
        arms = list(range(table.feasible.shape[1]))
        num_context = table.rows.shape[-1] - len(table.creatives[0])
        self.context = np.zeros((len(table.rows), 0))
        policy = LearningPolicy.ThompsonSampling()
        if num_context:
            ids = table.rows[:, 0, :num_context]
            self.context = np.zeros((len(ids), int(ids.max()) + 1))
            np.put_along_axis(self.context, ids.astype(np.int64), 1.0, axis=1)
            policy = LearningPolicy.LinUCB(alpha)
        self.bandit = MAB(arms, policy, seed=seed)
        self.is_fitted = False

    def __call__(self, items: Indices, rng: np.random.Generator) -> Indices:
        """Chooses a creative for each impression."""
        if self.context.shape[1]:
            distinct, place = np.unique(items, return_inverse=True)
            return self._winners(distinct)[place]
        # Without a context each call is one draw of Thompson sampling for everybody.
        winners = np.concatenate([self._winners(np.zeros(1, np.int64)) for _ in range(32)])
        return winners[rng.integers(winners.size, size=items.size)]

    def learn(self, items: Indices, chosen: Indices, clicks: Floats) -> None:
        """Updates the arms that were shown."""
        contexts = self.context[items] if self.context.shape[1] else None
        learn = self.bandit.partial_fit if self.is_fitted else self.bandit.fit
        learn(chosen, clicks, contexts)
        self.is_fitted = True

    def _winners(self, items: Indices) -> Indices:
        found = self.bandit.predict_expectations(self.context[items] if self.context.shape[1] else None)
        rows = found if isinstance(found, list) else [found]
        scores = np.array([[row[arm] for arm in range(self.feasible.shape[1])] for row in rows])
        winners: Indices = np.where(self.feasible[items], scores, -np.inf).argmax(axis=1)
        return winners
