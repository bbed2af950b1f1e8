"""A generated log of any size: is memory flat, and do all engines give the same bytes?

    python -m benchmarks.replay_scale ROWS FOLDER ENGINE WORKERS

Generates the log in FOLDER where it is not there yet, judges a policy on it, prints one JSON line.
"""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from ranker.replay.evaluation import evaluate
from ranker.replay.policies import ColumnPolicy
from ranker.replay.readers import ReadOptions, parts_of
from ranker.replay.running import Engine, Pass, run_pass

if TYPE_CHECKING:
    from collections.abc import Callable

PART_ROWS = 1_000_000
ACTIONS = 20


def generate(folder: Path, rows: int, step: Callable[[str], None]) -> None:
    """Write parts of a million rows each: action, reward, propensity, the target's propensity."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = np.random.default_rng(1)
    logging, target = shape.dirichlet(np.ones(ACTIONS) * 3, 16), shape.dirichlet(np.ones(ACTIONS), 16)
    ctr = shape.uniform(0.01, 0.1, size=(16, ACTIONS))
    cells = np.cumsum(logging.reshape(-1) / 16)
    names = pa.array([f"item-{a}" for a in range(ACTIONS)])
    for number in range(-(-rows // PART_ROWS)):
        file = folder / f"part-{number:04d}.parquet"
        if file.exists():
            continue
        rng = np.random.default_rng([2, number])
        count = min(PART_ROWS, rows - number * PART_ROWS)
        cell = np.minimum(np.searchsorted(cells, rng.random(count)), cells.size - 1)
        columns = {
            "action": pa.DictionaryArray.from_arrays(pa.array((cell % ACTIONS).astype(np.int32)), names),
            "reward": pa.array((rng.random(count) < ctr.reshape(-1)[cell]).astype(np.int8)),
            "propensity": pa.array(logging.reshape(-1)[cell]),
            "target_propensity": pa.array(target.reshape(-1)[cell]),
        }
        parquet.write_table(pa.table(columns), file, compression="zstd")
        step(f"{(number + 1) * PART_ROWS:,} rows generated")


def judge(folder: Path, rows: int, engine: Engine, workers: int) -> dict[str, Any]:
    """Judge the policy on the first `rows` rows, and say what that took."""
    parts = parts_of(folder)[: -(-rows // PART_ROWS)]
    task = Pass((ColumnPolicy("target", "target_propensity"),), ReadOptions(contexts=("target_propensity",)))
    started = time.perf_counter()
    found = run_pass(task, parts, engine, num_workers=workers)
    seconds = time.perf_counter() - started
    estimate = evaluate(found.moments[0], np.random.default_rng(1), with_model=False)["SNIPS"]
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "rows": found.num_rows,
        "engine": engine,
        "workers": workers,
        "seconds": seconds,
        "rows_a_second": found.num_rows / seconds,
        "peak_mebibytes": _peak_mebibytes(),
        "peak_mebibytes_of_the_largest_worker": children if workers > 1 else 0.0,
        "value": estimate.value,
        "interval": [estimate.interval.low, estimate.interval.high],
        "digest": hashlib.sha256(found.moments[0].sums.tobytes()).hexdigest()[:16],
    }


def _peak_mebibytes() -> float:
    """Peak of this program alone: what getrusage tells begins with that of whoever started it."""
    status = Path("/proc/self/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def scale(
    rows: int, folder: Path, ray_python: str | None, step: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Judge a tenth of the rows and all of them, each in a process of its own; on Ray where there is one."""
    generate(folder, rows, step)
    runs: list[tuple[str, int, Engine, int]] = [
        (sys.executable, max(rows // 10, PART_ROWS), Engine.LOCAL, 1),
        (sys.executable, rows, Engine.LOCAL, 1),
        (sys.executable, rows, Engine.LOCAL, 2),
    ]
    if ray_python is not None:
        runs.append((ray_python, rows, Engine.RAY, 2))
    found = []
    for python, count, engine, workers in runs:
        command = [python, "-m", "benchmarks.replay_scale", str(count), str(folder), engine, str(workers)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (our own)
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
        step(f"{count:,} rows by {workers} on {engine}: {found[-1]['rows_a_second']:,.0f} rows/s")
    return found


if __name__ == "__main__":
    where = Path(sys.argv[2])
    generate(where, int(sys.argv[1]), lambda text: print(text, file=sys.stderr))
    print(json.dumps(judge(where, int(sys.argv[1]), Engine(sys.argv[3]), int(sys.argv[4]))))
