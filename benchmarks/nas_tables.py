"""Search strategies and latency prediction against tables that others measured (NAS-Bench-201, HELP).

    python -m benchmarks.nas_tables --table nas_bench_201.npz

Strategies search CIFAR-100: each query returns the accuracy of one training seed, and the best architecture
seen so far is judged by its mean over seeds. The fronts of accuracy against latency are judged by the
hypervolume of true means. Predictors learn each device from 100 models. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.progress import track
from scipy.stats import spearmanr

from benchmarks.nas_page import plot, write_page
from benchmarks.nas_strategies import CHEAP_QUERIES, RISING, strategies
from nas.latency.predictor import fit_predictor
from nas.pareto import hypervolume
from nas.strategies.nsga2 import Nsga2
from nas.strategies.random_search import RandomSearch
from nas.strategies.reinforce import Reinforce
from nas.strategies.rewards import AbsoluteReward, MnasNetReward
from nas.table import read_nas_bench_201

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.nas_strategies import Make
    from nas.space import Architecture, FloatArray
    from nas.table import TabulatedBenchmark
    from nas.trial import Strategy, Trial

FRONT_QUERIES = 150
FRONT_DEVICES = ("titan_rtx_1", "gold_6226", "pixel3")
NUM_TIMED = 100


class QueryLog:
    """Evaluates architectures, whoever asks for them, and judges the best so far after each query."""

    def __init__(self, bench: TabulatedBenchmark, seed: int) -> None:
        self._bench, self._noise = bench, np.random.default_rng([seed, 1])
        self._mean = bench.mean_accuracy
        self._best = -np.inf
        self.judged: list[float] = []

    def evaluate(self, architecture: Architecture) -> Trial:
        """Takes the accuracy of one training seed."""
        trial = self._bench.query(architecture, self._noise)
        is_best = trial.quality > self._best
        self._best = max(trial.quality, self._best)
        self.judged.append(self._mean[self._bench.rows[architecture]] if is_best else self.judged[-1])
        return trial


def incumbents(bench: TabulatedBenchmark, make: Make, queries: int, seed: int) -> FloatArray:
    """Runs one search; returns the mean accuracy of its best architecture after every query, (queries,)."""
    log = QueryLog(bench, seed)
    strategy = make(np.random.default_rng([seed, 2]), log.evaluate)
    while len(log.judged) < queries:
        strategy.tell(log.evaluate(strategy.ask()))
    return np.array(log.judged[:queries])


def searched(bench: TabulatedBenchmark, runs: int) -> dict[str, Any]:
    """Runs every strategy; returns mean, deviation and 95 % interval of the mean by number of queries."""
    summary: dict[str, dict[str, Any]] = {}
    curves = {}
    for name, (queries, make) in strategies(bench.cell).items():
        start = time.process_time()
        all_runs = np.array([incumbents(bench, make, queries, seed) for seed in track(range(runs), name)])
        curves[name] = all_runs.mean(axis=0)
        summary[name] = {str(q): _mean_interval(all_runs[:, q - 1]) for q in (50, 100, 300) if q <= queries}
        summary[name]["cpu_seconds_a_run"] = round((time.process_time() - start) / runs, 2)
    return {"best_mean": float(bench.mean_accuracy.max()), "strategies": summary, "curves": curves}


def fronts(bench: TabulatedBenchmark, runs: int) -> dict[str, Any]:
    """Compares NSGA-II's hypervolume with that of random search after the same queries, by device."""
    answer = {}
    for device in FRONT_DEVICES:
        worst = (0.0, float(bench.latency[device].max()))
        whole = hypervolume(bench.mean_accuracy, bench.latency[device], worst)
        shares = np.empty((runs, 2))
        for seed in track(range(runs), f"front on {device}"):
            makers = (RandomSearch, Nsga2)
            for column, maker in enumerate(makers):
                strategy: Strategy = maker(bench.cell.space, np.random.default_rng([seed, 3]))
                shares[seed, column] = _front_volume(bench, strategy, device, seed) / whole
        answer[device] = {
            "random": _mean_interval(shares[:, 0]),
            "nsga2": _mean_interval(shares[:, 1]),
            "difference": _mean_interval(shares[:, 1] - shares[:, 0]),
        }
    return answer


def _front_volume(bench: TabulatedBenchmark, strategy: Strategy, device: str, seed: int) -> float:
    noise, rows = np.random.default_rng([seed, 4]), []
    for _ in range(FRONT_QUERIES):
        trial = bench.query(strategy.ask(), noise, device)
        strategy.tell(trial)
        rows.append(bench.rows[trial.architecture])
    latency = bench.latency[device]
    return hypervolume(bench.mean_accuracy[rows], latency[rows], (0.0, float(latency.max())))


def on_target(bench: TabulatedBenchmark, runs: int, device: str = "titan_rtx_1") -> dict[str, Any]:
    """Searches for the median latency with either reward; says where the policy's mode lands."""
    target = float(np.median(bench.latency[device]))
    rewards: dict[str, Callable[[Trial], float]] = {
        "absolute (TuNAS)": AbsoluteReward(target, -20.0),
        "MnasNet": MnasNetReward(target),
    }
    answer = {}
    for name, reward in rewards.items():
        landed, quality = np.empty(runs), np.empty(runs)
        for seed in track(range(runs), f"target on {device}, {name}"):
            policy = Reinforce(bench.cell.space, np.random.default_rng([seed, 5]), reward)
            noise = np.random.default_rng([seed, 6])
            for _ in range(CHEAP_QUERIES):
                policy.tell(bench.query(policy.ask(), noise, device))
            row = bench.rows[policy.best()]
            landed[seed], quality[seed] = bench.latency[device][row] / target, bench.mean_accuracy[row]
        answer[name] = {
            "ratio": _mean_interval(landed),
            "accuracy": _mean_interval(quality),
            "within_5_percent": round(float((np.abs(landed - 1.0) <= 0.05).mean()), 3),
        }
    return answer


def predicted(bench: TabulatedBenchmark, runs: int) -> dict[str, Any]:
    """Fits a predictor to 100 models of each device and judges it on all others."""
    architectures = list(bench.rows)
    counts = bench.cell.operation_counts(architectures)
    answer = {}
    for device, latency in track(sorted(bench.latency.items()), "latency"):
        figures = np.empty((runs, 4))
        for seed in range(runs):
            rng = np.random.default_rng([seed, 7])
            seen = rng.choice(len(latency), NUM_TIMED, replace=False)
            rest = np.setdiff1d(np.arange(len(latency)), seen)
            predictor = fit_predictor(counts[seen], latency[seen], rng)
            guess = predictor.predict(counts[rest])
            low, high = predictor.interval(counts[rest])
            figures[seed] = (
                spearmanr(guess, latency[rest]).statistic,
                (np.abs(guess / latency[rest] - 1.0) <= 0.1).mean(),
                ((low <= latency[rest]) & (latency[rest] <= high)).mean(),
                predictor.residual_used,
            )
        names = ("spearman", "within_10_percent", "coverage_90", "residual_used")
        answer[device] = dict(zip(names, figures.mean(axis=0).round(3).tolist(), strict=True))
    return answer


def _mean_interval(values: FloatArray) -> dict[str, float]:
    half = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values))
    return {
        "mean": round(float(values.mean()), 4),
        "sd": round(float(values.std(ddof=1)), 4),
        "half_width_95": round(half, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, required=True, help="nas_bench_201.npz")
    parser.add_argument("--runs", type=int, default=50, help="searches a strategy")
    parser.add_argument("--fits", type=int, default=20, help="fits a device")
    parser.add_argument("--docs", type=Path, help="write the page and its plot into this folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    bench = read_nas_bench_201(args.table).reordered(RISING)
    found = searched(bench, args.runs)
    curves = found.pop("curves")
    result = {
        "benchmark": "nas_tables",
        "runs": args.runs,
        "fits": args.fits,
        "queries": {"front": FRONT_QUERIES, "target": CHEAP_QUERIES, "timed": NUM_TIMED},
        "search": found,
        "fronts": fronts(bench, args.runs),
        "target": on_target(bench, args.runs),
        "latency": predicted(bench, args.fits),
    }
    if args.docs:
        plot(curves, found["best_mean"], args.docs / "nas-search.svg")
        write_page(result, args.docs / "architecture-search-benchmark.md")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
