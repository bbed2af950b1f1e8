"""Chooses models that span the space, times them, and keeps what was measured as it comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from nas.calibration.records import Calibration, Record, read_calibration, write_calibration
from nas.calibration.runtimes import LatencyKey, device_name, make_runtime
from nas.calibration.timing import TimingSettings, measure
from nas.ctr.genotype import CtrGenotype, Tower
from nas.errors import SearchError
from nas.export.ctr_graph import count_work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nas.ctr.space import CtrSpace
    from nas.export.ctr_graph import CtrInputs

CHUNK: Final = 25
"""Models that are held in memory at once."""
DRAWS_A_MODEL: Final = 20


@dataclass(frozen=True)
class CalibrationSettings:
    """What is measured."""

    runtime: str = "onnxruntime"
    threads: int = 1
    batches: tuple[int, ...] = (1, 16, 64, 256, 1024)
    num_models: int = 150
    seed: int = 0
    timing: TimingSettings = field(default_factory=TimingSettings)

    def __post_init__(self) -> None:
        if not self.batches:
            raise SearchError("calibration.batches", self.batches, "must have at least one")
        if self.num_models < 20:
            raise SearchError("calibration.num_models", self.num_models, "must be at least 20")

    def key(self, batch: int) -> LatencyKey:
        """Names what a measurement is true of."""
        return LatencyKey(device_name(self.runtime), self.runtime, "float32", self.threads, batch)


def spread_genotypes(
    space: CtrSpace, inputs: CtrInputs, num: int, rng: np.random.Generator
) -> list[CtrGenotype]:
    """Draws models whose sizes cover the space evenly: one from each of `num` shares by multiply–adds.

    Of models drawn uniformly few are small, and a latency objective asks for just those.
    """
    drawn = {space.decode(space.search_space.sample(rng)): None for _ in range(DRAWS_A_MODEL * num)}
    if len(drawn) < num:
        raise SearchError("num_models", num, f"the space has about {len(drawn)} different ones")
    work = np.array([_total(inputs, genotype) for genotype in drawn])
    order = np.argsort(work, kind="stable")
    genotypes = list(drawn)
    chosen = [int(rng.choice(share)) for share in np.array_split(order, num)]
    return [genotypes[index] for index in rng.permutation(chosen)]


def _total(inputs: CtrInputs, genotype: CtrGenotype) -> float:
    """Sums multiply–adds of one row."""
    counts = count_work(inputs, genotype, 1)
    third = len(counts) // 3
    return float(counts[third : 2 * third].sum())


def calibrate(
    genotypes: list[CtrGenotype],
    inputs: CtrInputs,
    settings: CalibrationSettings,
    folder: Path,
    report: Callable[[int, int, str], None] = lambda *_: None,
) -> list[Calibration]:
    """Times the models at every batch and writes one file a key into the folder.

    Models that a file already has are not measured again, so that a calibration that was stopped goes on.
    `report` is told (models done, models at all, key).
    """
    done, total = 0, len(genotypes) * len(settings.batches)
    calibrations = []
    for batch in settings.batches:
        calibration = _begun(settings.key(batch), inputs, folder)
        known = {record.genotype for record in calibration.records}
        missing = [genotype for genotype in genotypes if genotype not in known]
        done += len(genotypes) - len(missing)
        for start in range(0, len(missing), CHUNK):
            report(done, total, f"batch {batch}")
            chunk = missing[start : start + CHUNK]
            calibration = calibration.extended(time_models(chunk, inputs, calibration.key, settings))
            write_calibration(calibration, folder)
            done += len(chunk)
        calibrations.append(calibration)
    report(done, total, "done")
    return calibrations


def time_models(
    genotypes: list[CtrGenotype], inputs: CtrInputs, key: LatencyKey, settings: CalibrationSettings
) -> list[Record]:
    """Times some models side by side, with random weights."""
    runtime = make_runtime(key.runtime, key.threads)
    rng = np.random.default_rng([settings.seed, key.batch])
    runs = [runtime.prepare(inputs, genotype, key.batch, rng) for genotype in genotypes]
    probe = runtime.prepare(inputs, _probe(inputs), key.batch, rng)
    timings = measure(runs, probe, settings.timing, rng)
    return [Record(genotype, timing) for genotype, timing in zip(genotypes, timings, strict=True)]


def _probe(inputs: CtrInputs) -> CtrGenotype:
    """A model of medium size."""
    return CtrGenotype((8,) * inputs.fields.num_groups, tower=Tower(2, 64))


def _begun(key: LatencyKey, inputs: CtrInputs, folder: Path) -> Calibration:
    path = folder / f"{key.slug}.json"
    if not path.is_file():
        return Calibration(key, inputs, ())
    known = read_calibration(path)
    if known.inputs.digest != inputs.digest:
        raise SearchError("inputs.num_ids", inputs.fields.num_ids, f"{path} was measured with others")
    # The bins may lie elsewhere: that costs no time, but what is exported reads these.
    return Calibration(key, inputs, known.records)
