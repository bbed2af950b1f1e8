"""Where does the time of one slate go? `python -m benchmarks.solver_profile [--cells 100,5,10 1000,5,10]`.

Each part of the kernel is repeated by itself on the walk's own data, at each third of the walk of each
problem, and multiplied by how often the walk needs it. The rest, beside the whole, is what this does not
show, such as branches that a repetition predicts better. CPU time of this thread; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.solver_instances import problems
from ranker.solver import Settings, solve, warm_up
from ranker.solver.answer import is_sound, write_answer
from ranker.solver.batch import sheet_for, solve_range
from ranker.solver.column_generation import (
    advance,
    choose_point,
    fill_column,
    find_best_at_point,
    settle,
    start,
)
from ranker.solver.kernel import entry
from ranker.solver.pricing import prepare_oracle
from ranker.solver.request import Request, request_at
from ranker.solver.scaling import read_dual, scale
from ranker.solver.simplex import eliminate, fill_direction, find_entering, find_leaving
from ranker.solver.workspace import Room, Rule, Sheet, answer_at, carve, lay_out, make_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.solver_instances import Cell
    from ranker.solver import SlateProblem

REPEATS = 400
NUM_THIRDS = 3
PATIENCE = 5000
"""Steps until the ellipsoid, which no problem here comes to."""

PARTS = {
    "scale, first slate": "once",
    "check and write the answer": "once",
    "factorise anew at the end": "once",
    "choose λ": "step",
    "score and choose the top k": "step",
    "use and value of the slate": "step",
    "entering variable": "pivot",
    "direction and leaving": "pivot",
    "eliminate": "pivot",
}
"""Each part, and how often a walk needs it."""


class Walk(NamedTuple):
    """Holds a problem and the memory to solve it in."""

    problem: SlateProblem
    request: Request
    room: Room
    sheet: Sheet
    num_steps: int

    def until(self, num_steps: int) -> tuple[int, int]:
        """Walks so many steps; returns steps and pivots."""
        return walk_to(self.request, self.room, (SMOOTHING, 0.0, num_steps, PATIENCE))

    def kernel_seconds(self, end: int) -> float:
        """Returns the time of the kernel: for end = 0 only that of handing over its arguments."""
        rule = (SMOOTHING, Settings().gap_tolerance, self.num_steps, PATIENCE)
        given = tuple(self.request)
        return least(lambda: solve_range(given, self.room, rule, (0, end), self.sheet), 5)

    def part_seconds(self, part: int) -> float:
        """Returns the time of a part where the walk stands."""
        return least(lambda: repeat(part, self.request, self.room, self.sheet, REPEATS), 3) / REPEATS


SMOOTHING = Settings().smoothing


@entry
def walk_to(batch: Request, room: Room, rule: Rule) -> tuple[int, int]:
    """Walks so many steps; returns steps and pivots."""
    request, w = request_at(batch, 0), carve(room)
    scale(request, w)
    prepare_oracle(request, w)
    read_dual(request.known_dual, w)
    w.walk[0].num_known = 0
    w.walk[0].stage = 0
    start(w)
    advance(w, rule)
    return w.walk[0].num_steps, w.walk[0].num_pivots


@entry
def repeat(part: int, batch: Request, room: Room, sheet: Sheet, times: int) -> float:
    """Repeats a part of the walk; returns a number that depends on all of them."""
    w, answers = carve(room), lay_out(sheet)
    request, answer = request_at(batch, 0), answer_at(answers, 0)
    total = 0.0
    for t in range(times):
        if part == 0:
            scale(request, w)
            prepare_oracle(request, w)
            w.walk[0].num_known = 0
            start(w)
        elif part == 1:
            answer_at(answers, 0)
            write_answer(request, w, answer)
            total += is_sound(request, w, answer, 1e-9)
        elif part == 2:
            settle(w)
        elif part == 3:
            choose_point(w, PATIENCE)
            total += w.rows[0].point
        elif part == 4:
            w.point[0] += 1e-9
            find_best_at_point(w)
        elif part == 5:
            fill_column(w, t % w.walk[0].num_known)
        elif part == 6:
            total += find_entering(w, False)
        elif part == 7:
            fill_direction(w, t % w.walk[0].num_known)
            total += find_leaving(w, False)
        else:
            w.direction[0] = 1.0
            eliminate(w.tableau, w.direction, 0)
    return total


def profile(cell: Cell, count: int) -> dict[str, Any]:
    """Returns the microseconds of each part in a slate, means over some problems."""
    n, num_limits, k = cell
    parts = dict.fromkeys(PARTS, 0.0)
    seconds = {"call": 0.0, "kernel": 0.0, "arguments": 0.0}
    num_steps = num_pivots = 0
    for problem in problems("uniform", cell, count):
        request, steps = problem.request, solve(problem).num_steps
        room = make_room((num_limits, n, k, 0, 64 + 16 * num_limits))
        walk = Walk(problem, request, room, sheet_for(request), steps)
        seconds["call"] += least(partial(solve, problem), 5)
        seconds["arguments"] += walk.kernel_seconds(0)
        seconds["kernel"] += walk.kernel_seconds(1)
        _, pivots = walk.until(steps - 1)
        num_steps, num_pivots = num_steps + steps, num_pivots + pivots
        often = {"once": 1, "step": steps, "pivot": pivots}
        for third in range(1, NUM_THIRDS + 1):
            for part, (name, unit) in enumerate(PARTS.items()):
                walk.until(max(steps * third // NUM_THIRDS - 1, 1))
                parts[name] += often[unit] * walk.part_seconds(part) / NUM_THIRDS
    means = {name: 1e6 * total / count for name, total in seconds.items()}
    shares = {name: 1e6 * total / count for name, total in parts.items()}
    kernel = means["kernel"] - means["arguments"]
    return {
        "cell": cell,
        "steps": num_steps / count,
        "pivots": num_pivots / count,
        "call_us": means["call"],
        "arguments_us": means["arguments"],
        "kernel_us": kernel,
        "parts_us": shares,
        "rest_us": kernel - sum(shares.values()),
    }


def least(function: Callable[[], object], times: int) -> float:
    """Returns the least CPU time of some calls, seconds."""
    found = np.inf
    for _ in range(times):
        start = time.thread_time()
        function()
        found = min(found, time.thread_time() - start)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=["100,1,10", "100,5,10", "1000,5,10"], help="n,K,k")
    parser.add_argument("--problems", type=int, default=20)
    options = parser.parse_args()
    warm_up()
    rows = []
    for text in options.cells:
        n, num_limits, k = map(int, text.split(","))
        rows.append(profile((n, num_limits, k), options.problems))
        print(rows[-1], flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
