"""Is a network in 8-bit integers faster here, and does it predict as well?

    python -m benchmarks.int8 [--rows N]

Three networks of rising size are trained on a log from a known law and exported in float32 and in int8, with
ranges of activations taken from each batch (dynamic) or from calibration rows (static). All are timed in
turns on the same rows, one thread; the change of log loss is of the test part, with its interval by paired
bootstrap. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch

from benchmarks.ctr import machine
from nas.calibration.timing import TimingSettings
from nas.ctr.fields import group_by_cardinality
from nas.ctr.genotype import CtrGenotype, Tower
from nas.ctr.network import Subnet
from nas.export.ctr_graph import CtrInputs, Platt
from nas.export.quantised import variants
from nas.export.trained import export_trained
from nas.generated_log import LogLaw, generate_log
from nas.training import TrainingSettings, train_alone

BATCHES = (1, 100, 512)
TIMING = TimingSettings(rounds=5, visit_seconds=0.03)


def networks(num_groups: int) -> dict[str, CtrGenotype]:
    """Names a DeepFM, a DCNv2 of low rank and a DCNv2 of full rank."""
    return {
        "DeepFM, 64": CtrGenotype((8,) * num_groups, fm=True, tower=Tower(1, 64)),
        "DCNv2, rank 16, 2 x 128": CtrGenotype((16,) * num_groups, cross=2, rank=16, tower=Tower(2, 128)),
        "DCNv2, full, 3 x 256": CtrGenotype((32,) * num_groups, full_cross=2, tower=Tower(3, 256)),
    }


def main() -> None:
    """Prints a line a variant, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = generate_log(LogLaw(), arguments.rows, np.random.default_rng(0)).data
    inputs = CtrInputs(group_by_cardinality(data.num_ids), data.edges)
    results = []
    for name, genotype in networks(inputs.fields.num_groups).items():
        subnet = Subnet(inputs.fields, genotype, torch.Generator().manual_seed(1))
        train_alone(subnet, data.train, TrainingSettings(epochs=1))
        content = export_trained(inputs, subnet, Platt(), data.test).content
        for batch in BATCHES:
            rng = np.random.default_rng(batch)
            for found in variants(content, data.validation, data.test, batch, TIMING, rng):
                result = {
                    "network": name,
                    "batch": batch,
                    "method": found.method,
                    "loss_change": round(found.loss_change, 6),
                    "interval": [round(found.low, 6), round(found.high, 6)],
                    "float32_ms": round(1e3 * found.float32.p50, 4),
                    "int8_ms": round(1e3 * found.timing.p50, 4),
                    "spread": [round(found.float32.spread, 3), round(found.timing.spread, 3)],
                    "pays": found.pays,
                }
                results.append(result)
                print(result, flush=True)
    print(json.dumps({"benchmark": "int8", "rows": arguments.rows, "machine": machine(), "results": results}))


if __name__ == "__main__":
    main()
