"""Do intervals hold where replay says that it can answer, and where it says that it cannot?

    python -m benchmarks.replay_answerable [--first 0] [--worlds 40]

Each world is a bandit of 8 contexts × 10 actions that can be enumerated. Logging policies explore 2, 5, 20
or 50 %, click rates lie around 2 or 20 %, logs have 500, 2,000 or 10,000 rows, and the target moves 10 to
100 % of its chance to an action that the log rarely shows. The last line is JSON: by what the diagnostics
say, the share of logs whose 95 % intervals hold the value.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.attention import machine
from benchmarks.replay_world import ACTIONS, CONTEXTS, World, draw_log
from ranker.replay.diagnostics import MIN_VARIANCE_ROWS, Answerability, answerable
from ranker.replay.evaluation import diagnostics_of, evaluate
from ranker.replay.moments import accumulate

CASES = tuple(itertools.product((0.02, 0.05, 0.2, 0.5), (0.02, 0.2), (500, 2000, 10_000), (False, True)))
ESTIMATORS = ("IPS", "SNIPS", "DR", "SNDR")


def make(rng: np.random.Generator, exploration: float, rate: float, *, spread: bool) -> World:
    """Logging prefers one action, and with `spread` some others too; the target moves to another."""
    ctr = np.clip(rate * np.exp(rng.normal(0, 0.6, size=(CONTEXTS, ACTIONS))), 0, 0.9)
    best = rng.integers(ACTIONS, size=CONTEXTS)
    preferred = np.eye(ACTIONS)[best]
    if spread:
        preferred = 0.7 * preferred + 0.3 * rng.dirichlet(np.ones(ACTIONS), CONTEXTS)
    logging = (1 - exploration) * preferred + exploration / ACTIONS
    other = np.eye(ACTIONS)[(best + rng.integers(1, ACTIONS, size=CONTEXTS)) % ACTIONS]
    moved = rng.choice([0.1, 0.3, 0.6, 1.0])
    return World(
        ctr, logging, (1 - moved) * logging + moved * other, ctr * rng.uniform(2 / 3, 4 / 3, ctr.shape)
    )


def one_log(seed: int, case: int) -> dict[str, Any]:
    """Returns the verdict on a log and which intervals hold the value."""
    exploration, rate, n, spread = CASES[case]
    rng = np.random.default_rng([11, seed, case])
    world = make(rng, exploration, rate, spread=spread)
    sums = accumulate(draw_log(world, n, rng))
    diagnostics = diagnostics_of(sums)
    found = evaluate(sums, rng)
    return {
        "exploration": exploration,
        "rows": n,
        "answered": answerable(diagnostics)[0] is Answerability.ANSWERED,
        "variance_rows": diagnostics.variance_rows,
        **{name: bool(world.value in found[name].interval) for name in ESTIMATORS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0, help="the first world")
    parser.add_argument("--worlds", type=int, default=40)
    given = parser.parse_args()
    started = time.perf_counter()
    worlds = track(range(given.first, given.first + given.worlds), "worlds", console=Console(stderr=True))
    logs = [one_log(seed, case) for seed in worlds for case in range(len(CASES))]
    answered = [log for log in logs if log["answered"]]
    groups = {"all": logs, "answered": answered, "not answered": [log for log in logs if not log["answered"]]}
    for n in (500, 2000, 10_000):
        groups[f"answered, {n:,} rows"] = [log for log in answered if log["rows"] == n]
    for e in (0.02, 0.05, 0.2, 0.5):
        groups[f"answered, {e:.0%} exploration"] = [log for log in answered if log["exploration"] == e]
    heavy = f"spread rests on < {MIN_VARIANCE_ROWS} rows"
    groups[heavy] = [log for log in logs if log["variance_rows"] < MIN_VARIANCE_ROWS]
    table = {name: _row(chosen) for name, chosen in groups.items()}
    for name, row in table.items():
        print(f"{name:32} {row}")
    report = {
        "benchmark": "replay_answerable",
        "first": given.first,
        "worlds": given.worlds,
        "coverage": table,
    }
    print(json.dumps(report | {"seconds": round(time.perf_counter() - started, 1), "machine": machine()}))


def _row(logs: list[dict[str, Any]]) -> dict[str, Any]:
    if not logs:
        return {"logs": 0}
    return {"logs": len(logs)} | {
        name: round(float(np.mean([log[name] for log in logs])), 3) for name in ESTIMATORS
    }


if __name__ == "__main__":
    main()
