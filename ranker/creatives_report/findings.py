"""Reads a home's latest posterior and judges every element of every space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandit import snapshot
from bandit.features import FeatureIndex
from bandit.insight import calibration, element_insights, interactions
from ranker.errors import NotFoundError

if TYPE_CHECKING:
    from bandit.fm import FloatArray
    from bandit.insight import CalibrationBin, ElementInsight
    from bandit.snapshot import Snapshot
    from ranker.home import Home

NUM_DRAWS = 1_000
CALIBRATION_DRAWS = 50


@dataclass(frozen=True)
class PairTable:
    """What pairs of two slots' elements add beyond their own effects, in log odds."""

    slots: tuple[str, str]
    elements: tuple[list[str], list[str]]
    table: FloatArray


@dataclass(frozen=True)
class SpaceFindings:
    """One space: its elements and pairs."""

    space_id: str
    elements: list[ElementInsight]
    pairs: list[PairTable]


@dataclass(frozen=True)
class Findings:
    """All that the report shows."""

    posterior: Snapshot
    num_impressions: float
    num_clicks: float
    spaces: list[SpaceFindings]
    calibration: list[CalibrationBin]


def findings(home: Home, margin: float, seed: int = 0) -> Findings:
    """Judges the latest posterior by its evidence; raises NotFoundError where nothing was learned yet."""
    version = snapshot.latest(home.posteriors)
    if version is None:
        raise NotFoundError("posteriors", str(home.posteriors), "no posterior yet: start `adranker learn`")
    stored = snapshot.load(home.posteriors, version)
    cells = snapshot.load_memory(home.posteriors, version).cells
    index = FeatureIndex(stored.catalogue)
    draws = stored.posterior.draws(NUM_DRAWS, np.random.default_rng(seed))
    few = stored.posterior.draws(CALIBRATION_DRAWS, np.random.default_rng([seed, 1]))
    spaces = []
    for space in stored.catalogue.spaces:
        indexed = index.space(space.id)
        slots = list(space.elements)
        pairs = [
            PairTable(
                (slots[s], slots[t]),
                (list(space.elements[slots[s]]), list(space.elements[slots[t]])),
                interactions(stored.posterior, indexed, s, t),
            )
            for s in range(len(slots))
            for t in range(s + 1, len(slots))
        ]
        spaces.append(SpaceFindings(space.id, element_insights(draws, indexed, cells, margin), pairs))
    return Findings(
        stored,
        float(cells.num_impressions.sum()),
        float(cells.num_clicks.sum()),
        spaces,
        calibration(few, cells),
    )
