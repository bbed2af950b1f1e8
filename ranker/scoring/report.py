"""What the card says about a training run: data, choices, metrics, and what a reader should not overlook."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.scoring.metrics import NUM_BINS, calibration_noise, expected_calibration_error, log_loss
from ranker.scoring.split import TRAIN_SHARE, VALIDATION_SHARE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.scoring.fitting import FittedModel
    from ranker.scoring.metrics import Estimate
    from ranker.scoring.selection import Trial


def describe_training(
    fitted: FittedModel, metrics: dict[str, Estimate], before: NDArray[np.float64]
) -> dict[str, Any]:
    """Returns the card's details as JSON types; `before` is the test part's ctr (n,) without calibration."""
    log, test = fitted.log, fitted.split.test
    clicks = log.clicks[test]
    after = fitted.seen_rates(test, fitted.model.predict(log.numeric[test], fitted.categorical[test]))
    chosen = fitted.selection.chosen
    return {
        "model": {
            "kind": "factorization machine" if chosen.fit.machine.factors.shape[1] else "logistic regression",
            "num_parameters": 1 + chosen.fit.machine.weights.size + chosen.fit.machine.factors.size,
            **_describe_trial(chosen),
        },
        "metrics": {name: asdict(estimate) for name, estimate in metrics.items()},
        "metrics_are_of": f"the test part, {len(test)} rows; 95 % bootstrap intervals; calibration error in "
        f"{NUM_BINS} bins of equal counts"
        + ("" if fitted.shares is None else "; of the clicks that have come by now"),
        "calibration": {
            "method": "Platt scaling on the validation part",
            **asdict(fitted.model.calibration),
            "before": _calibration_figures(clicks, before),
            "after": _calibration_figures(clicks, after),
            "error_by_chance_alone": calibration_noise(after),
        },
        "training": {
            "data_sha256": log.sha256,
            "num_bad_rows": log.num_bad_rows,
            "split": f"{fitted.split.method}, {TRAIN_SHARE:.0%} / {VALIDATION_SHARE:.0%} / rest",
            "parts": _describe_parts(fitted),
        },
        "trials": [_describe_trial(trial) for trial in fitted.selection.trials],
        "notes": _notes(fitted, metrics),
    }


def _describe_trial(trial: Trial) -> dict[str, Any]:
    return {
        "num_factors": trial.fit.machine.factors.shape[1],
        "l2_weights": trial.penalty.weights,
        "l2_factors": trial.penalty.factors,
        "validation_log_loss": float(trial.losses.mean()),
        "num_iterations": trial.fit.num_iterations,
        "converged": trial.fit.converged,
    }


def _calibration_figures(clicks: NDArray[np.float64], ctr: NDArray[np.float64]) -> dict[str, float]:
    ones = np.ones(len(clicks))
    return {
        "log_loss": log_loss(clicks, ctr, ones),
        "expected_calibration_error": expected_calibration_error(clicks, ctr, ones),
        "mean_ctr": float(ctr.mean()),
        "base_rate": float(clicks.mean()),
    }


def _describe_parts(fitted: FittedModel) -> dict[str, Any]:
    log = fitted.log
    parts: dict[str, Any] = {}
    for name, rows in fitted.split.parts().items():
        parts[name] = {"num_rows": len(rows), "num_clicks": int(log.clicks[rows].sum())}
        if fitted.shares is not None:
            parts[name]["share_of_clicks_that_have_come"] = float(fitted.shares[rows].mean())
        if log.time is not None:
            parts[name]["time_range"] = [str(log.time[rows].min()), str(log.time[rows].max())]
    return parts


def _notes(fitted: FittedModel, metrics: dict[str, Estimate]) -> list[str]:
    notes = []
    auc, entropy = metrics["auc"], metrics["normalised_entropy"]
    if auc.contains(0.5):
        notes.append(
            f"AUC's interval [{auc.low:.3f}, {auc.high:.3f}] contains 0.5: "
            "on the test part this model cannot be told from one that ranks at random."
        )
    if entropy.high >= 1.0:
        notes.append(
            f"The interval of normalised entropy [{entropy.low:.4f}, {entropy.high:.4f}] reaches 1: "
            "on the test part this model is not shown to predict better than the base rate."
        )
    if not metrics["observed_predicted_ratio"].contains(1.0):
        notes.append(
            "Observed over predicted clicks differs from 1 by more than chance: the click rate has moved."
        )
    if not fitted.selection.chosen.fit.converged:
        notes.append("The optimiser stopped before it met its tolerance.")
    if fitted.shares is not None:
        come = float(fitted.shares[fitted.split.train].mean())
        notes.append(
            f"Clicks may still come: of those of the training part {come:.1%} are taken to have come. "
            "The ctr is of the clicks in the end."
        )
    if fitted.log.num_bad_rows:
        notes.append(f"{fitted.log.num_bad_rows} bad row(s) of the data file were left out.")
    return notes
