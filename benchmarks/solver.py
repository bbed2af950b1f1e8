"""How fast is an exact slate, and against whom? `python -m benchmarks.solver --rivals 10`.

CPU time of this thread, so that neighbours on the machine disturb less. GLOP is timed if
`--ortools-python` names an interpreter that has OR-Tools. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ranker.solver import Settings, SlateBatch, SlateProblem, Status, solve, solve_many, warm_up
from ranker.solver.batch import run
from ranker.solver.many import part

CELLS = [
    (100, 1, 10),
    (100, 5, 10),
    (1000, 1, 10),
    (1000, 5, 10),
    (1000, 10, 10),
    (1000, 20, 10),
    (1000, 5, 50),
]
RIVALS = Path(__file__).with_name("solver_rivals.py")


def problem(rng: np.random.Generator, n: int, num_limits: int, k: int) -> SlateProblem:
    """Returns a uniform instance, its limits at 0.8 of what a random slate uses."""
    attention = 1.0 / np.log2(2.0 + np.arange(k))
    weights = rng.random((num_limits, n))
    return SlateProblem(rng.random(n), weights, 0.8 * weights.mean(axis=1) * attention.sum(), attention)


def cpu_seconds(function: Any, repeats: int = 3) -> float:
    """Returns the least CPU time of some calls."""
    seconds = []
    for _ in range(repeats):
        start = time.thread_time()
        function()
        seconds.append(time.thread_time() - start)
    return min(seconds)


def rival_answers(python: str, name: str, batch: SlateBatch) -> list[tuple[float, float]]:
    """Returns CPU seconds and objective of a rival for each problem."""
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        arrays = {field: getattr(batch, field) for field in ("value", "weights", "limits", "attention")}
        np.savez(file, **arrays)
        file.flush()
        command = [python, str(RIVALS), name, file.name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return [tuple(answer) for answer in json.loads(output.splitlines()[-1])]


def interval(ratios: np.ndarray) -> list[float]:
    """Returns median, and its 95 % bootstrap interval, and the least of the ratios."""
    draws = np.random.default_rng(0).choice(ratios, (1000, ratios.size))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return [float(f"{x:.3g}") for x in (np.median(ratios), low, high, ratios.min())]


def measure(cell: tuple[int, int, int], arguments: argparse.Namespace) -> dict[str, Any]:
    rng = np.random.default_rng(cell)
    problems = [problem(rng, *cell) for _ in range(arguments.instances)]
    batch = SlateBatch.of(problems)
    settings = Settings()
    kernel = [
        cpu_seconds(lambda b=b: run(part(batch.request, b, b + 1), settings)) for b in range(len(problems))
    ]
    call = [cpu_seconds(lambda p=p: solve(p)) for p in problems]
    together = cpu_seconds(lambda: run(batch.request, settings)) / len(problems)
    solutions = solve_many(batch).answers
    row: dict[str, Any] = {
        "cell": cell,
        "one_run_us": [float(f"{1e6 * x:.3g}") for x in np.quantile(kernel, [0.5, 0.99])],
        "call_us": [float(f"{1e6 * x:.3g}") for x in np.quantile(call, [0.5, 0.99])],
        "batch_us": round(1e6 * together, 1),
        "steps": float(np.median(solutions.num_steps)),
        "optimal": int((solutions.status == Status.OPTIMAL).sum()),
    }
    few = SlateBatch.of(problems[: arguments.rivals])
    pythons = {"highs": sys.executable, "glop": arguments.ortools_python}
    for name, python in pythons.items():
        if python and arguments.rivals:
            seconds, objectives = np.array(rival_answers(python, name, few)).T
            row[name + "_ratio"] = interval(seconds / np.array(call[: arguments.rivals]))
            ours = solutions.objective[: arguments.rivals]
            row[name + "_difference"] = float(np.abs(objectives / ours - 1.0).max())
    return row


def throughput(num_threads: int) -> float:
    """Returns exact slates a second, by the wall clock, at n = 100, K = 5, k = 10."""
    rng = np.random.default_rng(0)
    batch = SlateBatch.of([problem(rng, 100, 5, 10) for _ in range(8192)])
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        solve_many(batch, num_threads=num_threads)
        seconds.append(time.perf_counter() - start)
    return 8192 / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--rivals", type=int, default=10)
    parser.add_argument("--ortools-python", default="")
    arguments = parser.parse_args()
    warm_up()
    rows = []
    for cell in CELLS:
        rows.append(measure(cell, arguments))
        print(rows[-1], flush=True)
    slates = {threads: round(throughput(threads)) for threads in (1, 2)}
    load = Path("/proc/loadavg").read_text().split()[0]
    machine = {"processor": platform.processor() or platform.machine(), "load": load}
    print(json.dumps({"cells": rows, "slates_per_second": slates, "machine": machine}))


if __name__ == "__main__":
    main()
