"""How fast is Rank on one core, what of it is the call, and how much faster is it than a naive service?

    python -m benchmarks.rank

100 candidates × 24 features → 10 positions, 5 constraints, creatives for all 10, a fitted ONNX model. The
benchmark trains its own model. The server runs on the first core and the callers on the last; ours and the
naive service take turns. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.decisions import SPACE
from benchmarks.naive_service import to_message
from benchmarks.rank_home import build_home
from benchmarks.serving import closed_loop, process, serving, synthetic_requests
from ranker.home import Home
from ranker.load.synthetic import RequestShape
from ranker.pipeline import PipelineSettings, rank
from ranker.serving.home_loader import load_snapshot
from ranker.serving.request_conversion import request_to_proto
from ranker.stages import StageTimer

if TYPE_CHECKING:
    from benchmarks.serving import Served
    from ranker.slate import RankRequest

NUM_REQUESTS = 100


def service_figures(served: Served, bodies: list[bytes], seconds: float) -> dict[str, float]:
    """Returns the latency of one caller, then the rate and the processor time of many."""
    closed_loop(served.address, bodies, 1.0)  # warm
    alone = closed_loop(served.address, bodies, seconds / 2, num_callers=1)
    cpu, started = served.cpu_seconds(), time.perf_counter()
    calls = len(closed_loop(served.address, bodies, seconds))
    took = time.perf_counter() - started
    return {
        "p50_ms": 1e3 * statistics.median(alone),
        "requests_per_second": calls / took,
        "cpu_us": 1e6 * (served.cpu_seconds() - cpu) / calls,
    }


def pipeline_cpu_us(home: Path, requests: list[RankRequest], seconds: float) -> float:
    """Returns the processor time of one request in process, without a call around it."""
    snapshot, settings = load_snapshot(Home(home), None), PipelineSettings()
    for request in requests:
        rank(request, snapshot, settings, StageTimer())
    calls, started, end = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        rank(requests[calls % len(requests)], snapshot, settings, StageTimer())
        calls += 1
    return 1e6 * (time.process_time() - started) / calls


def measured(home: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """Returns each figure of each round."""
    shape = RequestShape(options.candidates, options.positions, options.constraints, (SPACE,))
    requests = synthetic_requests(home, shape, NUM_REQUESTS)
    ours = [request_to_proto(request).SerializeToString() for request in requests]
    naive = [to_message(request) for request in requests]
    rounds: list[dict[str, float]] = []
    for _ in track(range(options.rounds), "rounds", console=Console(stderr=True)):
        with serving(home, {}) as served:
            figures = service_figures(served, ours, options.seconds)
        figures["pipeline_cpu_us"] = pipeline_cpu_us(home, requests, options.seconds / 2)
        figures["besides_pipeline_cpu_us"] = figures["cpu_us"] - figures["pipeline_cpu_us"]
        with process(["benchmarks.naive_service", str(home)], {}) as served:
            other = service_figures(served, naive, options.seconds)
        figures |= {f"naive_{name}": value for name, value in other.items()}
        figures["ratio"] = figures["requests_per_second"] / figures["naive_requests_per_second"]
        rounds.append(figures)
    return {name: [round(figures[name], 2) for figures in rounds] for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of saturation, each service and round")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--positions", type=int, default=10)
    parser.add_argument("--constraints", type=int, default=5)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }
    with tempfile.TemporaryDirectory() as scratch:
        results = measured(build_home(Path(scratch)).root, options)
    for name, values in results.items():
        print(f"{name:28} {np.median(values):9.2f}, {min(values)} … {max(values)}")
    print(json.dumps({"machine": machine, "options": vars(options)} | results))


if __name__ == "__main__":
    main()
