"""How well the measurements of a calibration are predicted from one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr

from nas.calibration.records import Calibration

if TYPE_CHECKING:
    from nas.latency.predictor import PredictorSettings

HELD_OUT = 0.25


def judge(
    calibration: Calibration,
    rng: np.random.Generator,
    quantile: str = "p50",
    splits: int = 4,
    settings: PredictorSettings | None = None,
) -> dict[str, float]:
    """Fits to three quarters of the models and predicts the rest; means over random splits."""
    records = np.empty(len(calibration.records), object)
    records[:] = calibration.records
    figures = []
    for _ in range(splits):
        order = rng.permutation(len(records))
        cut = int(len(records) * HELD_OUT)
        figures.append(judge_split(calibration, order[cut:], order[:cut], quantile, rng, settings))
    return {name: round(float(np.mean([f[name] for f in figures])), 4) for name in figures[0]}


def judge_split(
    calibration: Calibration,
    seen: np.ndarray,
    held_out: np.ndarray,
    quantile: str,
    rng: np.random.Generator,
    settings: PredictorSettings | None = None,
) -> dict[str, float]:  # six arguments: a split has two parts
    """Fits to the records `seen`; judges on those `held_out`."""
    rest = [calibration.records[int(index)] for index in held_out]
    fitted = Calibration(
        calibration.key, calibration.inputs, tuple(calibration.records[int(index)] for index in seen)
    ).fit(quantile, rng, settings)
    counts = calibration.counts([record.genotype for record in rest])
    measured = np.array([getattr(record.timing, quantile) for record in rest])
    predicted = fitted.predict(counts)
    low, high = fitted.interval(counts)
    error = np.abs(predicted / measured - 1.0)
    return {
        "spearman": float(spearmanr(predicted, measured).statistic),
        "within_10_percent": float((error <= 0.1).mean()),
        "median_error": float(np.median(error)),
        "coverage_90": float(((low <= measured) & (measured <= high)).mean()),
        "residual_used": float(fitted.residual_used),
    }
