"""Is replay right, honest about its uncertainty, and fast on large logs?

    python -m benchmarks.replay [--data DIR] [--only PART …] [--logs 1000] [--sizes N …] [--streams 1000]
                                [--rows 50000000] [--obp-python PYTHON] [--ray-python PYTHON] [--folder DIR]
                                [--docs docs]

DIR holds `obd_sample` and `obp_golden`; without it, real logs are left out. PYTHON has obp 0.5.7, or Ray;
without one, that comparison is left out. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.replay_coverage import coverage, gate_streams, watched
from benchmarks.replay_plots import plot
from benchmarks.replay_published import published
from benchmarks.replay_real import crossed, golden
from benchmarks.replay_rerun import rerun
from benchmarks.replay_scale import scale
from benchmarks.replay_speed import speed

PARTS = ("speed", "rerun", "real", "published", "coverage", "watched", "gate", "scale")
ON_REAL_DATA = ("real", "published")
SIZES = (1_000, 10_000, 100_000)
DAYS, ROWS_A_DAY = 30, 100


def step(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run(part: str, options: argparse.Namespace) -> Any:
    if part == "speed":
        return speed(options.obp_python, rounds=5)
    if part == "rerun":
        return rerun(5, step)
    if part == "real":
        campaigns = ("all", "men")
        return {
            "golden_differences": golden(options.data / "obp_golden" / "obd_random_all_golden.npz"),
            "crossed": [row for c in campaigns for row in crossed(options.data / "obd_sample", c)],
        }
    if part == "published":
        return published(options.data / "obd_sample", step)
    if part == "coverage":
        return {str(n): coverage(n, options.logs, step) for n in options.sizes}
    if part == "watched":
        return watched(options.streams, 10_000, step)
    if part == "gate":
        shape = (DAYS, ROWS_A_DAY)
        return [
            gate_streams(options.streams, shape, 0.0, step),
            gate_streams(max(options.streams // 5, 1), shape, 0.5, step),
        ]
    if options.folder is not None:
        return scale(options.rows, options.folder, options.ray_python, step)
    with tempfile.TemporaryDirectory() as folder:
        return scale(options.rows, Path(folder), options.ray_python, step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--logs", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rows of the logs of coverage")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--obp-python")
    parser.add_argument("--ray-python")
    parser.add_argument("--folder", type=Path, help="keeps the generated log")
    parser.add_argument("--docs", type=Path, help="where the plots go")
    options = parser.parse_args()
    parts = [part for part in options.only if part not in ON_REAL_DATA or options.data is not None]
    found = {part: run(part, options) for part in parts}
    if options.docs is not None:
        plot(found, options.docs)
    machine = {"cpu": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    print(json.dumps({"benchmark": "replay", "machine": machine, **found}))


if __name__ == "__main__":
    main()
