"""The measurements of one key, as a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.calibration.runtimes import LatencyKey
from nas.calibration.timing import Timing
from nas.ctr.fields import FieldGroups
from nas.ctr.genotype_json import genotype_from_object, genotype_to_object
from nas.errors import SearchError
from nas.export.ctr_graph import CtrInputs, count_work
from nas.latency.predictor import fit_predictor

if TYPE_CHECKING:
    from pathlib import Path

    from nas.ctr.genotype import CtrGenotype
    from nas.latency.predictor import LatencyPredictor, PredictorSettings
    from nas.space import FloatArray


@dataclass(frozen=True)
class Record:
    """One model's latency."""

    genotype: CtrGenotype
    timing: Timing


@dataclass(frozen=True)
class Calibration:
    """What was measured of models with the same inputs under one key."""

    key: LatencyKey
    inputs: CtrInputs
    records: tuple[Record, ...]

    def counts(self, genotypes: list[CtrGenotype]) -> FloatArray:
        """Counts the work of models (n, p) at this key's batch."""
        return np.stack([count_work(self.inputs, genotype, self.key.batch) for genotype in genotypes])

    def fit(
        self, quantile: str, rng: np.random.Generator, settings: PredictorSettings | None = None
    ) -> LatencyPredictor:
        """Fits a predictor of `p50` or `p99`, in seconds, to all records."""
        latency = np.array([getattr(record.timing, quantile) for record in self.records])
        return fit_predictor(self.counts([r.genotype for r in self.records]), latency, rng, settings)

    def extended(self, records: list[Record]) -> Calibration:
        """Adds records; a model that was measured before is replaced."""
        known = {record.genotype: record for record in (*self.records, *records)}
        return Calibration(self.key, self.inputs, tuple(known.values()))


def write_calibration(calibration: Calibration, folder: Path) -> Path:
    """Writes `<folder>/<key>.json`, whole or not at all."""
    inputs = calibration.inputs
    content = {
        "key": asdict(calibration.key),
        "inputs": {
            "num_ids": list(inputs.fields.num_ids),
            "groups": list(inputs.fields.groups),
            "edges": [edge.tolist() for edge in inputs.edges],
        },
        "records": [
            {"genotype": genotype_to_object(record.genotype), **asdict(record.timing)}
            for record in calibration.records
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{calibration.key.slug}.json"
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(content))
    draft.replace(path)
    return path


def read_calibration(path: Path) -> Calibration:
    """Reads what `write_calibration` wrote.

    Raises:
        SearchError: the file is missing or is none.
    """
    if not path.is_file():
        raise SearchError("calibration", str(path), "no such file: run `adranker nas calibrate`")
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        inputs = CtrInputs(
            FieldGroups(tuple(content["inputs"]["num_ids"]), tuple(content["inputs"]["groups"])),
            tuple(np.array(edge) for edge in content["inputs"]["edges"]),
        )
        records = tuple(
            Record(genotype_from_object(record.pop("genotype")), Timing(**record))
            for record in content["records"]
        )
        return Calibration(LatencyKey(**content["key"]), inputs, records)
    except (ValueError, KeyError, TypeError) as error:
        raise SearchError("calibration", str(path), f"is no calibration: {error}") from error
