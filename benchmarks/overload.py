"""What a server still answers in time at three times its capacity, with and without admission.

    python -m benchmarks.overload --home var/serve

The server runs on the first core and the load on the second. Capacity is the rate of answers when a few
callers ask again as soon as they are answered. Then three times as much is asked, with a deadline; goodput is
the rate of answers within it. Three servers take turns: as it comes; without deadline admission; and without
a bound on the calls that wait either. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from rich.console import Console
from rich.progress import track

from ranker.home import Home
from ranker.load.generator import RANK, LoadResult, LoadSettings, run_load, with_id
from ranker.load.synthetic import RequestShape, synthetic_request
from ranker.serving.home_loader import load_snapshot
from ranker.serving.request_conversion import request_to_proto

if TYPE_CHECKING:
    from collections.abc import Iterator

OVERLOAD = 3.0
NUM_BODIES = 200
NUM_CALLERS = 8
SERVERS = {
    "as it comes": {},
    "no deadline admission": {"ADRANKER_ADMISSION": "false"},
    "no bound either": {"ADRANKER_ADMISSION": "false", "ADRANKER_MAX_CONCURRENT_CALLS": "1000000"},
}


@contextmanager
def serving(home: Path, environment: dict[str, str]) -> Iterator[str]:
    """Runs a server on the first core, on a copy of the home; yields its address."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(home, Path(scratch) / "home", ignore=shutil.ignore_patterns("events"))
        command = [sys.executable, "-m", "ranker.cli", "serve", "--home", str(copy)]
        process = subprocess.Popen(  # noqa: S603 (our own command)
            [*command, "--port", "0", "--metrics-port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        os.sched_setaffinity(process.pid, {0})
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["address"]
        finally:
            process.terminate()
            process.wait()


def bodies(home: Path, shape: RequestShape) -> list[bytes]:
    """Returns serialised requests of the home's first schema with a model."""
    snapshot = load_snapshot(Home(home), None)
    schema = snapshot.schema(next(iter(snapshot.scorers)))
    rng = np.random.default_rng(0)
    return [
        request_to_proto(synthetic_request(schema, shape, "load", rng)).SerializeToString()
        for _ in range(NUM_BODIES)
    ]


def closed_loop(address: str, requests: list[bytes], seconds: float) -> float:
    """Returns answers a second when each of a few callers asks again as soon as it is answered."""
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(NUM_CALLERS) as callers:
        rank: Any = channel.unary_unary(RANK)
        started = time.perf_counter()

        def calls(caller: int) -> int:
            name, count = secrets.token_hex(4), 0
            while time.perf_counter() - started < seconds:
                body = requests[(caller + count * NUM_CALLERS) % len(requests)]
                rank(with_id(body, f"{name}-{count}"), timeout=60.0)
                count += 1
            return count

        return sum(callers.map(calls, range(NUM_CALLERS))) / (time.perf_counter() - started)


def load(address: str, requests: list[bytes], rate: float, seconds: float, deadline: float) -> LoadResult:
    settings = LoadSettings(rate, seconds, deadline, request_id_prefix=secrets.token_hex(4))
    return run_load(address, requests, settings)


def one_round(
    home: Path, requests: list[bytes], environment: dict[str, str], options: argparse.Namespace
) -> dict[str, object]:
    """Returns capacity and goodput of one fresh server."""
    with serving(home, environment) as address:
        load(address, requests, 20.0, 2.0, 60.0)  # warm
        capacity = closed_loop(address, requests, options.seconds / 2)
        loaded = load(address, requests, OVERLOAD * capacity, options.seconds, options.deadline_ms / 1e3)
    return {
        "capacity": round(capacity, 1),
        "goodput_ratio": round(loaded.goodput / capacity, 3),
    } | loaded.summary()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--home", type=Path, default=Path("var/serve"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--deadline-ms", type=float, default=100.0)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--positions", type=int, default=10)
    parser.add_argument("--constraints", type=int, default=5)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    requests = bodies(options.home, RequestShape(options.candidates, options.positions, options.constraints))
    rounds: dict[str, list[dict[str, object]]] = {name: [] for name in SERVERS}
    for _ in track(range(options.rounds), "rounds", console=Console(stderr=True)):
        for name, environment in SERVERS.items():
            rounds[name].append(one_round(options.home, requests, environment, options))
    for name, results in rounds.items():
        ratios = [float(str(r["goodput_ratio"])) for r in results]
        print(f"{name:22} goodput / capacity: {statistics.median(ratios):.3f}, {min(ratios)} … {max(ratios)}")
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"machine": machine, "overload": OVERLOAD, "deadline_ms": options.deadline_ms} | rounds))


if __name__ == "__main__":
    main()
