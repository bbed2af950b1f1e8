"""What a million parameters take to save, load, draw and learn the prior of; JSON last.

    python -m benchmarks.creatives_scale [--values 110000]

One context field of so many values and five slots of 50 elements, 8 factors each. CPU times of the calling
thread, the median of three.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from time import thread_time
from typing import TYPE_CHECKING

import numpy as np

from bandit import snapshot
from bandit.features import FeatureIndex
from bandit.hierarchy import learned_prior
from bandit.learner import LearnerSettings
from bandit.memory import Memory
from bandit.posterior import Posterior
from bandit.snapshot import Provenance
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 3


def seconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        began = thread_time()
        call()
        times.append(thread_time() - began)
    return round(float(np.median(times)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--values", type=int, default=110_000)
    options = parser.parse_args()
    settings = LearnerSettings()
    slots = tuple(Slot(f"s{n}", tuple(f"e{e}" for e in range(50))) for n in range(5))
    catalogue = CreativeCatalogue(
        (ContextField("user", options.values),), slots, (CreativeSpace("space", ("user",)),)
    )
    index = FeatureIndex(catalogue)
    prior = Posterior.prior(catalogue, settings.num_factors)
    memory = Memory.of(prior, index.num_fields)
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as name:
        root = Path(name)
        versions: list[str] = []

        def save() -> None:
            origin = Provenance("", 0, catalogue.version, len(versions), 0.0, 0, 0, 128, 0.01, 0.5, 0.2, 1.0)
            versions.append(snapshot.save(root, prior, memory, catalogue, origin))

        figures = {
            "parameters": index.num_rows * (1 + settings.num_factors) + 1,
            "save_seconds": seconds(save),
            "load_seconds": seconds(lambda: snapshot.load(root, versions[0])),
            "draw_one_seconds": seconds(lambda: prior.draws(1, rng)),
            "learned_prior_seconds": seconds(
                lambda: learned_prior(index.groups(), prior, prior, prior.tempered(0.5, 0.5, 0.5))
            ),
        }
        figures["snapshot_bytes"] = sum(file.stat().st_size for file in (root / versions[0]).iterdir())
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
