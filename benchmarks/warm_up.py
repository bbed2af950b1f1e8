"""What does the first request of a size cost, by the sizes that a model was warmed with?

    python -m benchmarks.warm_up --model DIR

A model is loaded anew for each measurement and warmed with one set of sizes; then it scores a request of one
size six times. The penalty is by how much the processor time of the slower of the first two exceeds the
median of the others: onnxruntime plans its memory at the first run of a size and takes it at the second. Sets
take turns. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.rank_home import build_home
from ranker.scoring.model_store import model_directories
from ranker.scoring.onnx_scorer import WARM_SIZES, OnnxScorer

SETS = {
    "none": (),
    "1 and 128": (1, 128),
    "every bucket": WARM_SIZES,
    "up to 20,000": (*WARM_SIZES, 2048, 4096, 8192, 16_384, 20_000),
}
SIZES = (1, 100, 300, 1000, 3000, 20_000)


def inputs(scorer: OnnxScorer, num_rows: int) -> tuple[Any, ...]:
    """Returns a context and candidates, all of them known."""
    schema, rng = scorer.schema, np.random.default_rng(0)
    return (
        np.zeros(len(schema.context_numeric), np.float32),
        np.zeros(len(schema.context_categorical), np.int64),
        rng.normal(size=(num_rows, len(schema.candidate_numeric))).astype(np.float32),
        np.ones((num_rows, len(schema.candidate_categorical)), np.int64),
    )


def took(scorer: OnnxScorer, rows: tuple[Any, ...]) -> float:
    """Returns the milliseconds of one run."""
    started = time.thread_time()
    scorer.score(*rows)
    return 1e3 * (time.thread_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, help="of a home; else a small one is trained")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = options.model
        if model is None:
            home = build_home(Path(scratch) / "home")
            model = next(iter(model_directories(home.models).values()))[0]
        penalties: dict[str, dict[int, list[float]]] = {name: {n: [] for n in SIZES} for name in SETS}
        warming: dict[str, list[float]] = {name: [] for name in SETS}
        for _ in track(range(options.rounds), "rounds", console=Console(stderr=True)):
            for name, sizes in SETS.items():
                for n in SIZES:
                    scorer = OnnxScorer.load(model)
                    started = time.thread_time()
                    scorer.warm_up(sizes)
                    warming[name].append(1e3 * (time.thread_time() - started))
                    rows = inputs(scorer, n)
                    first, second, *others = (took(scorer, rows) for _ in range(6))
                    penalties[name][n].append(max(first, second) - float(np.median(others)))
    median = {
        name: {n: round(float(np.median(p)), 3) for n, p in each.items()} for name, each in penalties.items()
    }
    spent = {name: round(float(np.median(each)), 1) for name, each in warming.items()}
    print(json.dumps({"first_call_penalty_ms": median, "warming_ms": spent}))


if __name__ == "__main__":
    main()
