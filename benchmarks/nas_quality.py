"""Are searched CTR models better than those written by hand, at equal latency?

    python -m benchmarks.nas_quality [--data DIR] [--sets NAMES] [--work DIR] [--retime]

Every hand-made model gets as many draws of sizes and settings; the best two by one seed are trained with
all seeds, and the validation part chooses. The search evolves paths of one supernet against predicted latency
(NSGA-II), evolves on from their front with trainings alone, in which the settings are searched too, and
trains finalists with all seeds: fewer trainings than all hand-made models have together. All chosen models
are then timed side by side in onnxruntime, one thread, a batch of 100 rows.

At equal latency: beside each hand-made model stands the finalist of least validation loss whose p99 is at
most 5 % above its own; and once more the best at 0.6 of its p99. Differences are of the test rows' losses
averaged over seeds, with a paired 95 % bootstrap interval. Every training is kept in --work, so a run that
broke off goes on. The last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch

from benchmarks.ctr import machine
from benchmarks.ctr_rivals import RIVALS
from benchmarks.nas_data import GENERATED, PUBLIC, load
from benchmarks.nas_finalists import Search, SearchBudget
from benchmarks.nas_market import Market, Trees, Tuned, tune_rival, tune_trees
from nas.calibration.runtimes import make_runtime, session_options
from nas.calibration.timing import TimingSettings, measure
from nas.ctr.fields import group_by_cardinality
from nas.export.ctr_graph import CtrInputs

if TYPE_CHECKING:
    from nas.space import FloatArray

BATCH = 100
NUM_RESAMPLES = 1000
EQUAL, MUCH_FASTER = 1.05, 0.6
"""Shares of a hand-made model's p99 that the searched one may have."""
TREES = "boosted trees"
TIMING = TimingSettings(rounds=10)


@dataclass(frozen=True)
class Judged:
    """A chosen model: what it lost on the test rows (seeds, rows), and its latency in milliseconds."""

    validation: float
    losses: FloatArray
    p50: float
    p99: float

    def as_json(self) -> dict[str, Any]:
        """Returns its figures."""
        deviation = self.losses.mean(axis=1).std(ddof=1) if len(self.losses) > 1 else None
        return {
            "log_loss": round(float(self.losses.mean()), 5),
            "seed_deviation": None if deviation is None else round(float(deviation), 5),
            "p50_ms": round(self.p50, 4),
            "p99_ms": round(self.p99, 4),
        }


def timings(market: Market, tuned: list[Tuned], trees: Trees, retime: bool) -> list[tuple[float, float]]:
    """Returns p50 and p99 in milliseconds of all networks and of the trees, side by side."""
    digest = hashlib.sha256(trees.content + json.dumps([model.as_json() for model in tuned]).encode())
    kept = market.folder / f"timings-{digest.hexdigest()[:16]}.json"
    if not kept.is_file() or retime:
        inputs, rng = CtrInputs(market.fields, market.data.edges), np.random.default_rng(0)
        runtime = make_runtime("onnxruntime", 1)
        runs = [runtime.prepare(inputs, model.genotype, BATCH, rng) for model in tuned]
        session = onnxruntime.InferenceSession(
            trees.content, session_options(1), providers=["CPUExecutionProvider"]
        )
        runs.append(lambda: session.run(["ctr"], {"x": trees.columns}))
        timed = measure(runs, runs[0], TIMING, rng)
        kept.write_text(json.dumps([(1e3 * timing.p50, 1e3 * timing.p99) for timing in timed]))
    return [(p50, p99) for p50, p99 in json.loads(kept.read_text())]


def difference(ours: FloatArray, theirs: FloatArray) -> dict[str, float]:
    """Returns the mean difference of losses with its paired interval: negative is ours."""
    rows = ours.mean(axis=0) - theirs.mean(axis=0)
    rng = np.random.default_rng(0)
    means = [rows[rng.integers(len(rows), size=len(rows))].mean() for _ in range(NUM_RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "difference": round(float(rows.mean()), 5),
        "low": round(float(low), 5),
        "high": round(float(high), 5),
    }


def beside(rival: Judged, finalists: list[Judged], share: float) -> dict[str, Any] | None:
    """Compares a hand-made model with the best finalist within a share of its p99; None: there is none."""
    fast = [finalist for finalist in finalists if finalist.p99 <= share * rival.p99]
    if not fast:
        return None
    best = min(fast, key=lambda finalist: finalist.validation)
    return best.as_json() | difference(best.losses, rival.losses)


def compare(rivals: dict[str, Judged], finalists: list[Judged]) -> dict[str, Any]:
    """Returns each hand-made model beside the searched ones, and what follows for the set."""
    table = {
        name: rival.as_json()
        | {"equal": beside(rival, finalists, EQUAL), "faster": beside(rival, finalists, MUCH_FASTER)}
        for name, rival in rivals.items()
    }
    strongest = min(rivals, key=lambda name: rivals[name].validation)
    equal = table[strongest]["equal"]
    return {
        "models": table,
        "strongest": strongest,
        "not_worse": all(_not_worse(row["equal"]) or _not_worse(row["faster"]) for row in table.values()),
        "better_than_strongest": equal is not None and equal["high"] < 0.0,
        "as_good_as_strongest_at_0.6": _not_worse(table[strongest]["faster"]),
    }


def _not_worse(pair: dict[str, Any] | None) -> bool:
    return pair is not None and pair["low"] <= 0.0


def run(name: str, market: Market, budget: SearchBudget, retime: bool) -> dict[str, Any]:
    """Returns the figures of one data set."""
    rivals, seconds = {}, {}
    for model in RIVALS:
        started = time.perf_counter()
        rivals[model] = tune_rival(market, model)
        seconds[model] = round(time.perf_counter() - started)
        print(f"{name}: {model} tuned in {seconds[model]} s", flush=True)
    trees = tune_trees(market, BATCH)
    started = time.perf_counter()
    finalists = Search(market, budget).finalists()
    print(f"{name}: searched in {time.perf_counter() - started:.0f} s", flush=True)
    networks = [*rivals.values(), *finalists]
    *times, of_trees = timings(market, networks, trees, retime)
    judged = [
        Judged(tuned.validation, tuned.losses, *time) for tuned, time in zip(networks, times, strict=True)
    ]
    by_name = dict(zip(rivals, judged, strict=False)) | {
        TREES: Judged(trees.validation, trees.losses, *of_trees)
    }
    found = judged[len(rivals) :]
    result = compare(by_name, found)
    for model, row in result["models"].items():
        print(f"{name:18} {model:14} {row['log_loss']:.5f} {row['p99_ms']:.3f} ms", flush=True)
        for kind in ("equal", "faster"):
            print(f"{'':18} {kind:14} {row[kind]}", flush=True)
    return result | {
        "finalists": [tuned.as_json() | one.as_json() for tuned, one in zip(finalists, found, strict=True)],
        "chosen": {model: tuned.as_json() for model, tuned in rivals.items()},
        "parts": [len(part) for part in (market.data.train, market.data.validation, market.data.test)],
    }


def main() -> None:
    """Prints one line a comparison, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the public data sets")
    parser.add_argument("--sets", help="comma-separated; all by default")
    parser.add_argument("--work", type=Path, default=Path("var/bench-nas-quality"))
    parser.add_argument("--draws", type=int, default=12, help="of each hand-made model")
    parser.add_argument("--trained", type=int, default=80, help="trainings of the search with one seed")
    parser.add_argument("--finalists", type=int, default=12, help="of the search, trained with all seeds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60_000, help="of the generated log")
    parser.add_argument("--retime", action="store_true", help="measure latency again")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    every = (*(PUBLIC if arguments.data else ()), GENERATED)
    budget = SearchBudget(BATCH, num_trained=arguments.trained, num_finalists=arguments.finalists)
    results = {}
    for name in arguments.sets.split(",") if arguments.sets else every:
        data, bayes_loss = load(name, arguments.data or Path(), arguments.rows)
        digest = hashlib.sha256(data.train.ids.tobytes() + data.test.ids.tobytes()).hexdigest()[:12]
        folder = arguments.work / f"{name}-{digest}"
        market = Market(data, group_by_cardinality(data.num_ids), folder, arguments.draws, arguments.seeds)
        results[name] = run(name, market, budget, arguments.retime) | {"bayes_log_loss": bayes_loss}
    told = {
        "benchmark": "nas_quality",
        "draws": arguments.draws,
        "seeds": arguments.seeds,
        "search": asdict(budget),
        "sets": results,
        "machine": machine(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
