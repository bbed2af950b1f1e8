"""A ladder from the front of a search: which candidates are its rungs, and how long they take."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nas.calibration.calibrate import calibrate, time_models
from nas.ctr.search import LEVEL
from ranker.scoring.ladder import Ladder, Rung

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nas.calibration.calibrate import CalibrationSettings
    from nas.calibration.records import Calibration
    from nas.ctr.genotype import CtrGenotype
    from nas.ctr.search import Candidate, Found, Objective

LADDER_BATCHES: Final = (1, 16, 64, 256, 1024)
"""Numbers of candidates at which the rungs' latency is predicted, besides that of the objective."""


def choose_rungs(found: Found, objective: Objective) -> list[int]:
    """Returns the places of the candidates that are faster than all better ones, the best first."""
    rungs: list[int] = []
    fastest = np.inf
    for place, candidate in enumerate(found.candidates):
        seconds = getattr(candidate.timing, objective.quantile)
        if seconds < fastest:
            rungs.append(place)
            fastest = seconds
    return rungs


def calibrate_batches(
    genotypes: list[CtrGenotype],
    calibration: Calibration,
    settings: CalibrationSettings,
    folder: Path,
    report: Callable[[int, int, str], None],
) -> list[Calibration]:
    """Times the models at the other batches of a ladder; `calibration` is that of the objective's."""
    known = calibration.key.batch
    batches = tuple(batch for batch in LADDER_BATCHES if batch != known)
    others = calibrate(genotypes, calibration.inputs, replace(settings, batches=batches), folder, report)
    return sorted([*others, calibration], key=lambda each: each.key.batch)


def make_ladder(
    schema_id: str,
    rungs: dict[str, Candidate],
    calibrations: list[Calibration],
    settings: CalibrationSettings,
    objective: Objective,
) -> tuple[Ladder, dict[str, Any]]:
    """Times the rungs (by version, the best first) at each batch, and bounds them by what is then fitted.

    Returns the ladder, and what its seconds are true of.
    """
    genotypes = [candidate.point.genotype for candidate in rungs.values()]
    bounds = []
    for calibration in calibrations:
        records = time_models(genotypes, calibration.inputs, calibration.key, settings)
        extended = calibration.extended(records)
        predictor = extended.fit(objective.quantile, np.random.default_rng(settings.seed))
        bounds.append(predictor.upper(extended.counts(genotypes), LEVEL))
    batches = tuple(calibration.key.batch for calibration in calibrations)
    ladder = Ladder(
        schema_id,
        tuple(
            Rung(version, candidate.loss, batches, tuple(float(bound[place]) for bound in bounds))
            for place, (version, candidate) in enumerate(rungs.items())
        ),
    )
    key = asdict(calibrations[0].key)
    del key["batch"]
    return ladder, {**key, "quantile": objective.quantile, "level": LEVEL}
