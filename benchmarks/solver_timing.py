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
from ranker.solver import Settings, SlateBatch, SlateProblem, Status, solve, solve_many
from ranker.solver.batch import Span, rule_of, sheet_for, solve_range
from ranker.solver.workspace import make_room

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.solver_instances import Cell

ROUNDS = 10
ROUNDS_SECONDS = 1.0

LARGEST_BATCH = 20_000_000
"""Weights of the problems that are timed as a batch, at most."""


Answer = tuple[float, float, float | None]
"""CPU seconds of a rival's solve alone, the same from arrays to arrays, and the objective (None: late)."""


class Timed(NamedTuple):
    """Holds a problem, its optimum and CPU seconds."""

    problem: SlateProblem
    objective: float

    call: float
    """Of `solve`."""

    code: float
    """Of the machine code in it."""

    arrays: float
    """Of `SlateProblem` and `solve`."""


def cpu_seconds(functions: Sequence[Callable[[], object]]) -> list[float]:
    """Returns the least CPU time of each call, over ten rounds or as many as a second admits.

    The calls take turns, as the speed of a shared machine comes and goes.
    """
    least = [np.inf] * len(functions)
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for index, function in enumerate(functions):
            start = time.process_time()
            function()
            least[index] = min(least[index], time.process_time() - start)
        if time.perf_counter() - began > ROUNDS_SECONDS:
            break
    return least


def time_code(problems: Sequence[SlateProblem]) -> list[float]:
    """Returns the CPU times of the machine code of each problem, its first pass, as it is called for one.

    What it takes to hand over the arguments is left out.
    """
    if not problems:
        return []
    whole, nothing = [], []
    n, K, k = problems[0].num_candidates, problems[0].num_constraints, problems[0].num_positions
    room, rule = make_room((K, n, k, 0, 64 + 64 * K)), rule_of(Settings(), Span(0, 1, 100_000))
    for problem in problems:
        given, sheet = tuple(problem.request), sheet_for(problem.request)
        whole.append(partial(solve_range, given, room, rule, (0, 1), sheet))
        nothing.append(partial(solve_range, given, room, rule, (0, 0), sheet))
    handing_over = float(np.median(cpu_seconds(nothing)))
    return [seconds - handing_over for seconds in cpu_seconds(whole)]


def solve_arrays(problem: SlateProblem) -> None:
    """Builds the problem and solves it."""
    solve(SlateProblem(problem.value, problem.weights, problem.limits, problem.attention))


def time_ours(family: str, cell: Cell, count: int, num_kept: int) -> tuple[dict[str, Any], list[Timed]]:
    """Returns the row of a cell, and the first problems that have an optimum within their limits."""
    batch = list(problems(family, cell, count))
    solutions = [solve(problem) for problem in batch]
    calls = cpu_seconds([partial(solve, problem) for problem in batch])
    few = batch[: max(LARGEST_BATCH // batch[0].weights.size, 1)]
    together = SlateBatch.of(few)
    optimal = [
        i
        for i, solution in enumerate(solutions)
        if solution.status is Status.OPTIMAL and solution.objective != 0.0
    ][:num_kept]
    chosen = [batch[i] for i in optimal]
    codes, arrays = time_code(chosen), cpu_seconds([partial(solve_arrays, problem) for problem in chosen])
    kept = [
        Timed(batch[i], solutions[i].objective, calls[i], code, whole)
        for i, code, whole in zip(optimal, codes, arrays, strict=True)
    ]
    status = [solution.status for solution in solutions]
    row = {
        "family": family,
        "cell": cell,
        "instances": count,
        "call_us": [rounded(1e6 * q) for q in np.quantile(calls, [0.5, 0.9, 0.99])],
        "code_us": rounded(1e6 * float(np.median(time_code(few)))),
        "batch_us": rounded(1e6 * cpu_seconds([lambda: solve_many(together, num_threads=1)])[0] / len(few)),
        "steps": [rounded(q) for q in np.quantile([each.num_steps for each in solutions], [0.5, 0.99])],
        "tight": round(float(np.mean([(each.dual != 0.0).sum() for each in solutions])), 2),
        "status": {each.name.lower(): status.count(each) for each in Status},
    }
    return row, kept


class Rivals:
    """Keeps one process a library, which answers files of problems, one library after the other."""

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

    def answers(self, kept: Sequence[Timed]) -> dict[str, list[Answer]]:
        """Returns for each configuration the answers to the first problems."""
        found: dict[str, Any] = {}
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            fields = ("value", "weights", "limits", "attention")
            arrays = {field: np.stack([getattr(each.problem, field) for each in kept]) for field in fields}
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            for library, process in self._processes.items():
                assert process.stdin is not None
                print(file.name, file=process.stdin, flush=True)
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


def compare(kept: Sequence[Timed], found: dict[str, list[Answer]]) -> dict[str, Any]:
    """Returns ratios for each rival, and for the best configuration of GLOP and of HiGHS.

    They are of the rival's solve alone to our call; for the best also to our machine code, and from arrays.
    """
    row: dict[str, Any] = {}
    calls = [each.call for each in kept]
    for best in ("glop", "highs"):
        runs = [answers for name, answers in found.items() if name.startswith(best)]
        count = min((len(answers) for answers in runs), default=0)
        if count:
            alone = [min(answers[i][0] for answers in runs) for i in range(count)]
            whole = [min(answers[i][1] for answers in runs) for i in range(count)]
            row["best_" + best] = ratios(alone, calls)
            row["best_" + best + "_code"] = ratios(alone, [each.code for each in kept])
            row["best_" + best + "_arrays"] = ratios(whole, [each.arrays for each in kept])
    for name, answers in found.items():
        row[name] = ratios([seconds for seconds, _, _ in answers], calls)
        row[name]["timeouts"] = sum(objective is None for _, _, objective in answers)
        errors = [
            abs(objective / each.objective - 1.0)
            for (_, _, objective), each in zip(answers, kept, strict=False)
            if objective is not None
        ]
        row[name]["difference"] = max(errors, default=None)
    return row


def ratios(seconds: Sequence[float], ours: Sequence[float]) -> dict[str, Any]:
    """Returns median over the instances of their ratio, its 95 % bootstrap interval, and the least."""
    ratio = np.array([rival / own for rival, own in zip(seconds, ours, strict=False)])
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
        alone = rate(partial(spin, LOOPS), 1)
        both = rate(lambda: list(pool.map(spin, [LOOPS, LOOPS])), 2)
    return {"one": rounded(one), "two": rounded(two), "machine": rounded(both / alone)}


def rate(function: Callable[[], object], work: int) -> float:
    """Returns units of work a second, the best of five."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return work / min(seconds)


LOOPS = 100_000_000


@njit(nogil=True)
def spin(rounds: int) -> int:
    """Computes in registers."""
    x = 1
    for i in range(rounds):
        x = x * 6364136223846793005 + i
    return x
