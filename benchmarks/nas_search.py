"""How long a whole search takes, from a click log to an exported model.

    python -m benchmarks.nas_search [--rows 250000] [--slo-ms 1.0]

Writes a log of 20 categorical fields drawn from a known law, runs `adranker nas search` on it as a process of
its own, nothing calibrated before, and tells the wall time and what the card says. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ctr import machine
from nas.generated_log import LogLaw, generate_log


def write_log(folder: Path, num_rows: int) -> float:
    """Writes log.parquet and log.toml; returns the least loss that any model can have."""
    law = LogLaw()
    log = generate_log(law, num_rows, np.random.default_rng(0))
    parts = (log.data.train, log.data.validation, log.data.test)
    ids, clicks = (np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "clicks"))
    columns = {f"field_{place}": ids[:, place] for place in range(len(law.num_ids))}
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**columns, "click": clicks.astype(np.int8)}), folder / "log.parquet")
    fields = "\n".join(
        f'[[fields]]\nname = "{name}"\nkind = "categorical"\nscope = "candidate"\nsize = {size}\n'
        for name, size in zip(columns, law.num_ids, strict=True)
    )
    (folder / "log.toml").write_text(f'schema_id = "generated"\nlabel = "click"\n\n{fields}')
    return log.bayes_loss


def main() -> None:
    """Prints the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("var/bench-nas-search"))
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--slo-ms", type=float, default=1.0)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    bayes_loss = write_log(arguments.work, arguments.rows)
    command = [sys.executable, "-m", "ranker.cli", "nas", "search", str(arguments.work / "log.parquet")]
    options = {
        "schema": arguments.work / "log.toml",
        "slo-ms": arguments.slo_ms,
        "batch": 100,
        "quantile": 0.99,
        "out": arguments.work / "models",
        "latency": arguments.work / "latency",
    }
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    started = time.perf_counter()
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True)  # noqa: S603 our own command
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(done.stdout)
    result = {
        "benchmark": "nas_search",
        "rows": arguments.rows,
        "fields": len(LogLaw().num_ids),
        "wall_seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_bytes": used.ru_maxrss * 1024,
        "bayes_log_loss": round(bayes_loss, 5),
        "log_loss": told["metrics"]["log_loss"],
        "latency": told["latency"],
        "largest_difference_to_torch": told["export"]["largest_difference_to_torch"],
        "notes": told["notes"],
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
