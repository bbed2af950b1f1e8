"""What do callers notice when the served model changes?

    python -m benchmarks.model_switch

A server is asked at a steady rate while models change: in turns a new one is put into the home, which the
server loads, checks, warms and takes up, and an older one is pinned. Latency counts from the time at which a
call was due. `step_ms` is by how much the median between a change and half a second after its first answer
exceeds the median of the calm before it. The last line is JSON; the exit code is 1 where a call failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np
from rich.console import Console
from rich.progress import track

from ads.ranker.v1 import ranker_pb2, ranker_pb2_grpc
from benchmarks.decisions import SPACE
from benchmarks.rank_home import build_home
from benchmarks.serving import process, synthetic_requests
from ranker.load.synthetic import RequestShape
from ranker.rollout.changes import follow_newest, pin
from ranker.rollout.rollout_file import ROLLOUT_FILE, change_rollout
from ranker.scoring.model_store import model_directories
from ranker.scoring.training import TrainingOptions, train_ctr
from ranker.serving.request_conversion import request_to_proto

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.home import Home

SCHEMA = "page"
CALM_SECONDS, AFTER_SECONDS, PATIENCE_SECONDS = 2.0, 0.5, 30.0


@dataclass(frozen=True)
class Call:
    """One answer."""

    due: float
    seconds: float  # from then on
    model: str  # "": it failed


class Caller(threading.Thread):
    """Asks at a steady rate until it is stopped."""

    def __init__(self, address: str, requests: list[ranker_pb2.RankRequest], rate: float) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.stopped = threading.Event()
        self._address, self._requests, self._rate = address, requests, rate

    def run(self) -> None:
        """Asks; a call that fails is noted and the next one made."""
        with grpc.insecure_channel(self._address) as channel:
            rank = ranker_pb2_grpc.RankerServiceStub(channel).Rank
            started = time.perf_counter()
            while not self.stopped.is_set():
                number = len(self.calls)
                due = started + number / self._rate
                time.sleep(max(due - time.perf_counter(), 0.0))
                message = self._requests[number % len(self._requests)]
                message.request_id = f"switch-{number}"
                try:
                    model = rank(message, timeout=5.0).model_version
                except grpc.RpcError:
                    model = ""
                self.calls.append(Call(due, time.perf_counter() - due, model))

    def wait_for(self, model: str) -> None:
        """Waits until a model answers."""
        end = time.perf_counter() + PATIENCE_SECONDS
        while not self.calls or self.calls[-1].model != model:
            assert time.perf_counter() < end, f"{model} never answered"
            time.sleep(0.01)


def train_others(home: Home, number: int) -> list[Path]:
    """Trains models on ever fewer rows, each said to be younger than the one before, beside the home's."""
    staged = home.root / "staged"
    rows = (home.root / "log.csv").read_text().splitlines()
    for i in track(range(number), "training", console=Console(stderr=True)):
        log = home.root / "part.csv"
        log.write_text("\n".join(rows[: len(rows) - 50 * (i + 1)]) + "\n")
        created = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=i)
        train_ctr(log, home.schemas / f"{SCHEMA}.toml", staged, TrainingOptions(seed=0, created_at=created))
    return model_directories(staged)[SCHEMA]


def switches(home: Home, staged: list[Path], caller: Caller) -> list[tuple[str, float, float]]:
    """Makes every change; returns its kind, when it was made and when its model answered first."""
    folder = home.models / SCHEMA
    file, made = folder / ROLLOUT_FILE, []
    first = model_directories(home.models)[SCHEMA][0].name
    for directory in track(staged, "switching", console=Console(stderr=True)):
        # Copied under a hidden name, as a trainer writes it.
        draft = Path(shutil.copytree(directory, folder / f".{directory.name}"))
        for kind in ("new", "pinned"):
            time.sleep(CALM_SECONDS)
            changed = time.perf_counter()
            if kind == "new":
                draft.rename(folder / directory.name)
                change_rollout(file, follow_newest)
                caller.wait_for(directory.name)
            else:
                change_rollout(file, lambda old: pin(old, first, [first]))
                caller.wait_for(first)
            made.append((kind, changed, time.perf_counter()))
    time.sleep(CALM_SECONDS)
    return made


def report(calls: list[Call], made: list[tuple[str, float, float]]) -> dict[str, object]:
    """Compares the calls around the changes with the calm before them."""
    due, took = np.array([c.due for c in calls]), 1e3 * np.array([c.seconds for c in calls])
    calm, during, steps = np.zeros(len(calls), bool), np.zeros(len(calls), bool), dict[str, list[float]]()
    for kind, changed, answered in made:
        before = (due >= changed - CALM_SECONDS + AFTER_SECONDS) & (due < changed)
        after = (due >= changed) & (due < answered + AFTER_SECONDS)
        steps.setdefault(kind, []).append(float(np.median(took[after]) - np.median(took[before])))
        calm |= before
        during |= after
    return {
        "calls": len(calls),
        "failed": sum(not c.model for c in calls),
        "switches": {kind: len(each) for kind, each in steps.items()},
        "step_ms": {kind: [round(step, 2) for step in each] for kind, each in steps.items()},
        "largest_step_ms": round(max(max(each) for each in steps.values()), 2),
        "calm_ms": percentiles(took[calm]),
        "during_ms": percentiles(took[during]),
    }


def percentiles(took: NDArray[np.float64]) -> dict[str, float]:
    p50, p99, top = np.percentile(took, [50, 99, 100]).round(2).tolist()
    return {"p50": p50, "p99": p99, "max": top}


def measured(home: Home, options: argparse.Namespace) -> dict[str, object]:
    shape = RequestShape(100, 10, 5, (SPACE,))
    requests = [request_to_proto(request) for request in synthetic_requests(home.root, shape, 50)]
    staged = train_others(home, options.models)
    command = ["ranker.cli", "serve", "--home", str(home.root), "--port", "0", "--metrics-port", "0"]
    with process(command, {"ADRANKER_RELOAD_SECONDS": "0.1"}) as served:
        caller = Caller(served.address, requests, options.rate)
        caller.start()
        try:
            made = switches(home, staged, caller)
        finally:
            caller.stopped.set()
            caller.join()
    return report(caller.calls, made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=6, help="that are put into the home")
    parser.add_argument("--rate", type=float, default=60.0, help="calls a second")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        result = measured(build_home(Path(scratch)), options)
    result |= {"options": vars(options), "load_average": os.getloadavg()[0]}
    print(json.dumps(result))
    sys.exit(result["failed"] != 0)


if __name__ == "__main__":
    main()
