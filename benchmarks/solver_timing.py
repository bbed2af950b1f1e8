"""How long do we take, cell by cell, and how much longer do others on the same problems?"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from benchmarks.solver_instances import problems
from ranker.solver import SlateBatch, SlateProblem, Status, solve, solve_many

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.solver_instances import Cell

SLOW_SECONDS = 5e-3
"""Calls that take longer are timed once: what disturbs them is short beside them."""

LARGEST_BATCH = 20_000_000
"""Weights of the problems that are timed as a batch, at most."""


class Timed(NamedTuple):
    """Holds a problem, its optimum and the CPU seconds of our public call."""

    problem: SlateProblem
    objective: float
    seconds: float


def cpu_seconds(function: Callable[[], object]) -> float:
    """Returns the CPU time of a call, the least of three where it is short."""
    least = np.inf
    for _ in range(3):
        start = time.process_time()
        function()
        least = min(least, time.process_time() - start)
        if least > SLOW_SECONDS:
            break
    return least


def time_ours(family: str, cell: Cell, count: int, num_kept: int) -> tuple[dict[str, Any], list[Timed]]:
    """Returns the row of a cell, and the first problems that have an optimum within their limits."""
    calls, steps, tight = [], [], []
    kept: list[Timed] = []
    batch: list[SlateProblem] = []
    status = {each.name.lower(): 0 for each in Status}
    for problem in problems(family, cell, count):
        solution = solve(problem)
        calls.append(cpu_seconds(partial(solve, problem)))
        steps.append(solution.num_steps)
        tight.append(int((solution.dual != 0.0).sum()))
        status[solution.status.name.lower()] += 1
        if solution.status is Status.OPTIMAL and solution.objective != 0.0 and len(kept) < num_kept:
            kept.append(Timed(problem, solution.objective, calls[-1]))
        if (len(batch) + 1) * problem.weights.size <= LARGEST_BATCH:
            batch.append(problem)
    together = SlateBatch.of(batch)
    row = {
        "family": family,
        "cell": cell,
        "instances": count,
        "call_us": [rounded(1e6 * q) for q in np.quantile(calls, [0.5, 0.9, 0.99])],
        "batch_us": rounded(1e6 * cpu_seconds(lambda: solve_many(together, num_threads=1)) / len(batch)),
        "steps": [rounded(q) for q in np.quantile(steps, [0.5, 0.99])],
        "tight": round(float(np.mean(tight)), 2),
        "status": status,
    }
    return row, kept


class Rivals:
    """Keeps one process a library, which answers files of problems; both work at the same time."""

    def __init__(self, pythons: dict[str, str], seconds: float, limit: float) -> None:
        program = str(Path(__file__).with_name("solver_rivals.py"))
        self._processes = {
            library: subprocess.Popen(  # noqa: S603
                [python, program, library, str(seconds), str(limit)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for library, python in pythons.items()
        }

    def answers(self, kept: Sequence[Timed]) -> dict[str, list[tuple[float, float | None]]]:
        """Returns for each configuration CPU seconds and objective (None: late) of the first problems."""
        found: dict[str, Any] = {}
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            fields = ("value", "weights", "limits", "attention")
            arrays = {field: np.stack([getattr(each.problem, field) for each in kept]) for field in fields}
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            for process in self._processes.values():
                assert process.stdin is not None
                print(file.name, file=process.stdin, flush=True)
            for library, process in self._processes.items():
                found |= json.loads(self._next_object(library, process))
        return found

    @staticmethod
    def _next_object(library: str, process: subprocess.Popen[str]) -> str:
        """Returns the next line that is an object: HiGHS prints a banner before."""
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                return line
        raise RuntimeError(f"the process of {library} ended: {process.wait()}")

    def close(self) -> None:
        """Ends the processes."""
        for process in self._processes.values():
            process.communicate()


def compare(kept: Sequence[Timed], found: dict[str, list[tuple[float, float | None]]]) -> dict[str, Any]:
    """Returns for each rival, and for the best configuration of GLOP and of HiGHS, ratios to our call."""
    row: dict[str, Any] = {}
    for best in ("glop", "highs"):
        runs = [answers for name, answers in found.items() if name.startswith(best)]
        count = min((len(answers) for answers in runs), default=0)
        if count:
            row["best_" + best] = ratios(kept, [min(answers[i][0] for answers in runs) for i in range(count)])
    for name, answers in found.items():
        row[name] = ratios(kept, [seconds for seconds, _ in answers])
        row[name]["timeouts"] = sum(objective is None for _, objective in answers)
        errors = [
            abs(objective / each.objective - 1.0)
            for (_, objective), each in zip(answers, kept, strict=False)
            if objective is not None
        ]
        row[name]["difference"] = max(errors, default=None)
    return row


def ratios(kept: Sequence[Timed], seconds: Sequence[float]) -> dict[str, Any]:
    """Returns median over the instances of their ratio, its 95 % bootstrap interval, and the least."""
    ratio = np.array([rival / each.seconds for rival, each in zip(seconds, kept, strict=False)])
    draws = np.random.default_rng(0).choice(ratio, (1000, ratio.size))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    numbers = {"ratio": np.median(ratio), "low": low, "high": high, "least": ratio.min()}
    return {name: rounded(number) for name, number in numbers.items()} | {
        "instances": ratio.size,
        "median_us": rounded(1e6 * float(np.median(seconds))),
    }


def rounded(number: float) -> float:
    """Returns three significant digits."""
    return float(f"{number:.3g}")


def throughput(num_problems: int) -> dict[str, float]:
    """Returns, by the wall clock, exact slates a second at n = 100, K = 5, k = 10 on one and two threads.

    `machine` is how much more a loop in registers, that shares nothing, does on two threads than on one.
    """
    batch = SlateBatch.of(list(problems("uniform", (100, 5, 10), num_problems)))
    one, two = (rate(partial(solve_many, batch, num_threads=n), num_problems) for n in (1, 2))
    spin(1)
    with ThreadPoolExecutor(2) as pool:
        alone = rate(partial(spin, ROUNDS), 1)
        both = rate(lambda: list(pool.map(spin, [ROUNDS, ROUNDS])), 2)
    return {"one": rounded(one), "two": rounded(two), "machine": rounded(both / alone)}


def rate(function: Callable[[], object], work: int) -> float:
    """Returns units of work a second, the best of five."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return work / min(seconds)


ROUNDS = 100_000_000


@njit(nogil=True)
def spin(rounds: int) -> int:
    """Computes in registers."""
    x = 1
    for i in range(rounds):
        x = x * 6364136223846793005 + i
    return x
