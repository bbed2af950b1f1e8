"""A server on the first core and callers on another: what the serving benchmarks share."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from ranker.home import Home
from ranker.load.generator import RANK, with_id
from ranker.load.synthetic import RequestShape, synthetic_request
from ranker.serving.home_loader import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ranker.slate import RankRequest

NUM_CALLERS = 8


@dataclass(frozen=True)
class Served:
    """A process that serves."""

    address: str
    process_id: int

    def cpu_seconds(self) -> float:
        """Returns the processor time of all its threads so far."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def process(command: Sequence[str], environment: dict[str, str]) -> Iterator[Served]:
    """Runs a Python module on the first core that prints its address as JSON first."""
    child = subprocess.Popen(  # noqa: S603 (our own command)
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )
    try:
        assert child.stdout is not None
        yield Served(json.loads(child.stdout.readline())["address"], child.pid)
    finally:
        child.terminate()
        child.wait()


@contextmanager
def serving(home: Path, environment: dict[str, str]) -> Iterator[Served]:
    """Runs our server on a copy of the home."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(home, Path(scratch) / "home", ignore=shutil.ignore_patterns("events"))
        command = ["ranker.cli", "serve", "--home", str(copy), "--port", "0", "--metrics-port", "0"]
        with process(command, environment) as served:
            yield served


def synthetic_requests(home: Path, shape: RequestShape, number: int) -> list[RankRequest]:
    """Returns requests of the home's first schema with a model."""
    snapshot = load_snapshot(Home(home), None)
    schema = snapshot.schema(next(iter(snapshot.scorers)))
    rng = np.random.default_rng(0)
    return [synthetic_request(schema, shape, "load", rng) for _ in range(number)]


def closed_loop(
    address: str, requests: list[bytes], seconds: float, num_callers: int = NUM_CALLERS
) -> list[float]:
    """Returns the seconds of each call when a few callers ask again as soon as they are answered."""
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(num_callers) as callers:
        rank: Any = channel.unary_unary(RANK)
        end = time.perf_counter() + seconds

        def calls(caller: int) -> list[float]:
            name, took = secrets.token_hex(4), list[float]()
            while (started := time.perf_counter()) < end:
                body = requests[(caller + len(took) * num_callers) % len(requests)]
                rank(with_id(body, f"{name}-{len(took)}"), timeout=60.0)
                took.append(time.perf_counter() - started)
            return took

        return [seconds for took in callers.map(calls, range(num_callers)) for seconds in took]
