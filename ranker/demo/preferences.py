"""What the creative posterior has learned, by group of people, beside what is true of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit

from bandit import snapshot
from bandit.features import FeatureIndex
from bandit.fm import Parameters, logits
from ranker.demo.fixtures import INCOME_CLASSES
from ranker.demo.home import ADULT, INCOME_SLOT
from ranker.replay.intervals import Interval

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bandit.posterior import Posterior
    from ranker.demo.fixtures import Census

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

ELEMENT = INCOME_CLASSES[1]
SHOWN_FIELDS = ("education", "relationship")
NUM_DRAWS = 64
MIN_PEOPLE = 30
SEED = 3


@dataclass(frozen=True, slots=True)
class Preference:
    """How often the element is right for a group: believed, with a 95 % interval, and in truth."""

    field: str
    group: str
    num_people: int
    believed: float
    interval: Interval
    truth: float
    served: float  # share of the last quarter of the group's requests that showed the element


def learned_preferences(
    posteriors: Path, census: Census, people: Integers, shown: Integers
) -> tuple[Preference, ...]:
    """Read the newest posterior and compare it with the same `people` `(n,)` that it was served to."""
    version = snapshot.latest(posteriors)
    if version is None:
        return ()
    stored = snapshot.load(posteriors, version)
    chances = _chances(stored.posterior, FeatureIndex(stored.catalogue), census, people)
    right = census.classes[people] == 1
    recent = np.arange(len(people)) >= len(people) * 3 // 4
    found = []
    for name in SHOWN_FIELDS:
        codes = census.codes[people, list(census.fields).index(name)]
        for code, group in enumerate(census.fields[name]):
            members = codes == code
            if members.sum() < MIN_PEOPLE or not (members & recent).any():
                continue
            draws = chances[:, members].mean(axis=1)
            low, high = np.quantile(draws, (0.025, 0.975))
            found.append(
                Preference(
                    name,
                    group,
                    int(members.sum()),
                    float(draws.mean()),
                    Interval(float(low), float(high)),
                    float(right[members].mean()),
                    float((shown[members & recent] == 1).mean()),
                )
            )
    return tuple(sorted(found, key=lambda item: (item.field, item.believed)))


def _chances(posterior: Posterior, index: FeatureIndex, census: Census, people: Integers) -> Floats:
    """Return the chance `(draws, n)` that the element is right for each person, by posterior draw."""
    names = list(census.fields)
    rows = np.stack(
        [
            index.rows(ADULT, dict(zip(names, (codes + 1).tolist(), strict=True)), {INCOME_SLOT: ELEMENT})
            for codes in census.codes[people]
        ]
    )
    pool = posterior.draws(NUM_DRAWS, np.random.default_rng(SEED))
    # One draw at a time: all at once would take draws × people × fields × factors numbers.
    return np.stack(
        [
            expit(logits(Parameters(pool.bias[i], pool.linear[i], pool.factors[i]), rows))
            for i in range(NUM_DRAWS)
        ]
    )
