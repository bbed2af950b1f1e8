"""How fast, how exact and how good is the slate solver, and against whom?

    python -m benchmarks.solver [--docs docs] [--ortools-python .venv/ortools/bin/python]

Every cell of n × K × k is timed in CPU seconds of this process, so that neighbours on the machine disturb
less; then GLOP, PDLP, HiGHS, scipy and cvxpy with Clarabel get the first problems that have an optimum, as
many as their seconds allow. OR-Tools and highspy do not load into one process, so each has its own. `--docs`
writes tables and plots there. `--resume FILE --stop-after 160`, said again and again, does it all in pieces.
The last line is one JSON object. `--instances 20 --rival-seconds 0.2 --sizes 100 1000` takes minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import sys
import time
from functools import partial
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.solver_checkpoint import Checkpoint
from benchmarks.solver_deadlines import quality
from benchmarks.solver_instances import FAMILIES
from benchmarks.solver_positioned import CELLS as POSITIONED_CELLS
from benchmarks.solver_positioned import cost
from benchmarks.solver_report import write_report
from benchmarks.solver_served import drawn, dual_walks, served_by_sorting
from benchmarks.solver_timing import Rivals, compare, throughput, time_ours
from ranker.solver import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.solver_instances import Cell

RIVAL_CELLS = ((100, 5, 10), (1000, 5, 10))
"""Where the rivals are timed on families other than the first."""

DEADLINE_CELLS = ((100, 5, 10), (1000, 5, 10), (1000, 10, 10))
SERVED_CELLS = ((200, 3, 10), (1000, 5, 10), (1000, 10, 10))


def main() -> None:
    options = arguments()
    warm_up()
    ways = ("resume", "stop_after", "docs", "machine", "ortools_python")
    asked = {name: value for name, value in vars(options).items() if name not in ways}
    checkpoint = Checkpoint(options.resume, asked | versions(), options.stop_after)
    count = min(options.instances, 100)
    report: dict[str, Any] = {"options": vars(options), "versions": versions()}
    report["cells"] = list(progress("cell", time_cells(options, checkpoint)))
    for name, rows in parts(options, count).items():
        report[name] = []
        for index, measure in enumerate(rows):
            found = checkpoint.row(f"{name} {index}", measure)
            report[name] += list(progress(name, found if isinstance(found, list) else [found]))
    report["draws"] = report["draws"][0]
    report["slates_per_second"] = report["slates_per_second"][0]
    report |= checkpoint.conditions()
    if options.docs:
        write_report(report, Path(options.docs))
    print(json.dumps(report))


def parts(options: argparse.Namespace, count: int) -> dict[str, list[Callable[[], Any]]]:
    """Returns what is measured beside the grid: name and measurements."""
    positioned, rivals = max(count // 5, 2), min(options.rivals, 3)
    served = itertools.product(("uniform", "ads", "yow_like"), SERVED_CELLS)
    walks = itertools.product(("uniform", "ads"), ((1000, K, 10) for K in (2, 5, 10)))
    return {
        "deadlines": [partial(quality, "uniform", cell, count) for cell in DEADLINE_CELLS],
        "served": [partial(served_by_sorting, *each, count) for each in served],
        "dual_walks": [partial(dual_walks, *each, min(count, 30)) for each in walks],
        "draws": [partial(drawn, "uniform", (100, 5, 10), 10, options.draws)],
        "positioned": [partial(cost, cell, positioned, rivals) for cell in POSITIONED_CELLS],
        "slates_per_second": [partial(throughput, 8192)],
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--sizes", nargs="+", type=int, default=[50, 100, 500, 1000, 5000], help="n")
    parser.add_argument("--constraints", nargs="+", type=int, default=[1, 2, 5, 10, 20], help="K")
    parser.add_argument("--positions", nargs="+", type=int, default=[5, 10, 50], help="k")
    parser.add_argument("--instances", type=int, default=200, help="of each cell and family")
    parser.add_argument("--rivals", type=int, default=10, help="problems of a cell for each rival, at most")
    parser.add_argument("--rival-seconds", type=float, default=0.5, help="after which a rival gets no more")
    parser.add_argument("--rival-limit", type=float, default=3.0, help="seconds for one problem")
    parser.add_argument("--draws", type=int, default=100_000, help="slates drawn from a mixture")
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    parser.add_argument("--machine", default=machine, help="as the page shall call it")
    parser.add_argument("--ortools-python", default="", help="interpreter that has OR-Tools; none: no GLOP")
    parser.add_argument("--resume", default="", help="file to keep what is measured in, and to go on from")
    parser.add_argument("--stop-after", type=float, default=inf, help="seconds; then go on with --resume")
    parser.add_argument("--docs", default="", help="folder for tables and plots; none: write none")
    return parser.parse_args()


def versions() -> dict[str, str]:
    """Returns the versions of what the numbers depend on."""
    return {name: version(name) for name in ("numpy", "scipy", "numba", "highspy", "cvxpy", "clarabel")}


def time_cells(options: argparse.Namespace, checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
    """Yields the rows of the grid, the rivals' times in those where they take part."""
    pythons = {"highs": sys.executable}
    if options.ortools_python:
        pythons["ortools"] = options.ortools_python
    rivals = Rivals(pythons, options.rival_seconds, options.rival_limit)
    grid = itertools.product(options.families, options.sizes, options.constraints, options.positions)
    try:
        for family, n, num_limits, k in grid:
            cell: Cell = (n, num_limits, k)
            takes_part = family == options.families[0] or cell in RIVAL_CELLS
            measure = partial(
                time_cell, family, cell, (options.instances, options.rivals * takes_part), rivals
            )
            if k <= n:
                yield checkpoint.row(f"cell {family} {cell}", measure)
    finally:
        rivals.close()


def time_cell(family: str, cell: Cell, counts: tuple[int, int], rivals: Rivals) -> dict[str, Any]:
    """Returns the row of a cell, counts = (problems for us, most for the rivals)."""
    row, kept = time_ours(family, cell, *counts)
    if kept:
        row["rivals"] = compare(kept, rivals.answers(kept))
    return row


def progress(name: str, rows: Any) -> Iterator[dict[str, Any]]:
    """Yields the rows and shows each."""
    for row in rows:
        best = {key: row["rivals"][key]["ratio"] for key in row.get("rivals", {}) if key.startswith("best")}
        shown = {key: value for key, value in row.items() if key != "rivals"} | best
        print(time.strftime("%H:%M:%S"), name, shown, flush=True)
        yield row


if __name__ == "__main__":
    main()
