"""What the card says about a search: the model, its quality and latency, and what it was chosen from."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from nas.ctr.genotype_json import genotype_to_object
from nas.ctr.search import AGREEMENT, LEVEL
from ranker.code_version import code_version

if TYPE_CHECKING:
    from nas.calibration.timing import Timing
    from nas.ctr.search import Candidate, Found, Objective
    from ranker.scoring.metrics import Estimate

PACKAGES: Final = ("adranker", "numpy", "onnx", "onnxruntime", "torch")


@dataclass(frozen=True)
class Evidence:
    """What was measured of the exported file."""

    metrics: dict[str, Estimate]
    """Of the test part."""
    difference: float
    """The largest to torch."""
    timing: Timing
    platt: dict[str, float]
    data: dict[str, Any]
    """Where the rows come from."""


def describe_search(
    found: Found, chosen: Candidate, objective: Objective, evidence: Evidence
) -> dict[str, Any]:
    """Returns the details of the chosen candidate's card as JSON types; latencies are in seconds."""
    num_rows = evidence.data["parts"]["test"]["num_rows"]
    return {
        "model": {
            "kind": "searched network",
            "genotype": genotype_to_object(chosen.point.genotype),
            "num_parameters": sum(parameter.numel() for parameter in chosen.subnet.parameters()),
            "validation_log_loss": chosen.loss,
        },
        "metrics": {name: asdict(estimate) for name, estimate in evidence.metrics.items()},
        "metrics_are_of": f"the exported file on the test part, {num_rows} rows; 95 % bootstrap intervals",
        "calibration": {"method": "Platt scaling on the validation part", **evidence.platt},
        "latency": {
            **asdict(found.calibration.key),
            "quantile": objective.quantile,
            "objective_seconds": objective.slo_seconds,
            "predicted_seconds": chosen.point.predicted,
            "upper_seconds": chosen.point.upper,
            "upper_level": LEVEL,
            "measured": asdict(evidence.timing),
        },
        "training": evidence.data,
        "search": {
            "num_models": len(found.points),
            "num_measured_too_slow": found.num_too_slow,
            "predictions_agree": found.agreed,
            "candidates": [_describe(candidate) for candidate in found.candidates],
        },
        "export": {"largest_difference_to_torch": evidence.difference},
        "versions": {
            "python": platform.python_version(),
            "ranker_sources": code_version(),
            **{package: version(package) for package in PACKAGES},
        },
        "notes": _notes(found, objective, evidence),
    }


def _describe(candidate: Candidate) -> dict[str, Any]:
    return {
        "genotype": genotype_to_object(candidate.point.genotype),
        "validation_log_loss": candidate.loss,
        "supernet_log_loss": candidate.point.supernet_loss,
        "predicted_seconds": candidate.point.predicted,
        "measured": asdict(candidate.timing),
    }


def _notes(found: Found, objective: Objective, evidence: Evidence) -> list[str]:
    notes = []
    if not found.agreed:
        notes.append(
            f"Predicted and measured latencies of the front differ by more than {AGREEMENT:.0%}: the machine "
            "was disturbed, or more models should be timed. Candidates were kept by what was measured."
        )
    measured = getattr(evidence.timing, objective.quantile)
    if measured > objective.slo_seconds:
        notes.append(
            f"Measured after the export, {objective.quantile} was {measured * 1e3:.3f} ms: "
            f"above the objective of {objective.slo_seconds * 1e3:.3f} ms."
        )
    entropy = evidence.metrics["normalised_entropy"]
    if entropy.high >= 1.0:
        notes.append(
            f"The interval of normalised entropy [{entropy.low:.4f}, {entropy.high:.4f}] reaches 1: "
            "on the test part this model is not shown to predict better than the base rate."
        )
    return notes
