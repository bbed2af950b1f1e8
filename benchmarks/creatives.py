"""The creative policy beside its rivals: regret in clicks by world, policy and seed; JSON last.

    python -m benchmarks.creatives --data DIR [--resume var/bench-creatives] [--docs docs]
        [--worlds "aes;mushroom"] [--policies "shipped;random"] [--seeds 20] [--slow-seeds 3] [--first-seed 0]

DIR holds autoco_world/, aes_creative_elements/ and autoco_public/; the generated worlds need none. A run
whose file is under --resume is not repeated, unless its world, settings or code have changed. Slow policies
play fewer seeds. --docs writes the plots and the tables of creatives.md from the runs. OMP_NUM_THREADS=1
makes the times comparable.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.creatives_arena import KNOBS, PLAYERS, PUBLISHED, plays, table_of
from benchmarks.creatives_calibration import judged
from benchmarks.creatives_docs import write
from benchmarks.creatives_results import Key, Run, load, save, summary
from benchmarks.creatives_tables import play

if TYPE_CHECKING:
    from benchmarks.creatives_tables import Table

CALIBRATED = ("autoco", "aes", *KNOBS)


def run_of(root: Path, table: Table, world: str, name: str, seed: int) -> Run:
    """Reads the run, or plays it and keeps it."""
    player = PLAYERS[name]
    key = Key(world, name, seed, table.digest, player.digest)
    found = load(root, key)
    if found is not None:
        return found
    began = perf_counter()
    policy = player.on(table, seed)
    regret = np.cumsum(play(table, policy, seed))
    seconds = perf_counter() - began
    checked = judged(policy, table, np.random.default_rng(seed)) if world in CALIBRATED else {}
    run = Run(world, name, seed, table.bounds[1:], regret.round(3).tolist(), round(seconds, 2), checked)
    save(root, key, run)
    return run


def names(given: str | None, known: dict[str, Any], option: str) -> list[str]:
    """Splits a list of names, all by default, and refuses unknown ones."""
    wanted = given.split(";") if given else list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"{option}: {unknown[0]!r} is none of {', '.join(known)}")
    return wanted


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--resume", type=Path, default=Path("var/bench-creatives"))
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--worlds")
    parser.add_argument("--policies")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--slow-seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    policies = names(options.policies, PLAYERS, "--policies")
    jobs = [
        (world, name, options.first_seed + seed)
        for world in names(options.worlds, PUBLISHED | KNOBS, "--worlds")
        for name in policies
        if plays(name, world)
        for seed in range(options.slow_seeds if PLAYERS[name].slow else options.seeds)
    ]
    runs: dict[str, dict[str, list[Run]]] = {}
    for number, (world, name, seed) in enumerate(jobs, 1):
        bar = "█" * (24 * number // len(jobs))
        print(
            f"\r{bar:░<24} {number}/{len(jobs)} {world}: {name}, seed {seed}\033[K", end="", file=sys.stderr
        )
        run = run_of(options.resume, table_of(world, options.data, seed), world, name, seed)
        runs.setdefault(world, {}).setdefault(name, []).append(run)
    print(file=sys.stderr)
    figures = {world: {name: summary(found) for name, found in rows.items()} for world, rows in runs.items()}
    for world, rows in figures.items():
        for name, row in rows.items():
            print(f"{world:18} {name:34} {row}")
    if options.docs is not None:
        write(runs, options.docs)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
