"""Whether a ladder of models answers in time, and better than any one of its models that does.

    python -m benchmarks.ladder

A ladder is searched for on a log drawn from a known law (or taken up from `--work`, where an earlier run left
it). Then a server answers requests of test rows at Poisson times, each with a deadline drawn between 2 and
50 ms: once choosing from the ladder, and once pinned to each of its models, all on the same requests. A
request is in time when its answer is there before its deadline; its log loss is that of its candidates'
clicks under the model that answered. Decisions are queued for the log (`--durability committed`: they are in
the database before an answer leaves). What was not in time is counted by its deadline and gRPC's status.
Server on the first core, load on the second. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.stats import binomtest

from ads.ranker.v1 import ranker_pb2
from benchmarks.serving import serving
from nas.command import progress
from nas.ctr.search import Budget, Objective
from nas.generated_log import LogLaw
from ranker.architecture_search.search_ctr import SearchOptions, search_ctr
from ranker.architecture_search.search_data import generate_search_data
from ranker.load.generator import RANK, with_id
from ranker.load.synthetic import RequestShape, synthetic_request
from ranker.scoring.ladder_file import LADDER_FILE, read_ladder
from ranker.scoring.metrics import log_loss
from ranker.scoring.onnx_scorer import OnnxScorer
from ranker.serving.request_conversion import request_to_proto

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ranker.architecture_search.search_data import SearchData
    from ranker.scoring.ladder import Ladder

LADDER = "ladder"
LATE_BINS = (2, 3, 4, 6, 10, 20, 50)
"""Milliseconds between which late calls are counted by their deadlines."""
NUM_REQUESTS = 400
DEADLINES = (2e-3, 50e-3)
IN_TIME = 0.99
WARM_SECONDS = 4.0
SLO_SECONDS, SLO_BATCH = 12e-3, 256
# Many pairs of fields: so many that larger models are better.
LAW = LogLaw(num_pairs=60, num_triples=0, rank=4, single=0.5, triple=0.0)


@dataclass(frozen=True)
class Answer:
    """What came of a call."""

    request: int
    """Which of the load's."""
    deadline: float
    """Seconds."""
    status: str
    """gRPC's."""
    model: str = ""
    """The one that answered; "" where no answer was in time."""


@dataclass(frozen=True)
class Load:
    """Requests and how well each model of the ladder answers them."""

    bodies: list[bytes]
    losses: dict[str, NDArray[np.float64]]
    """By model, one a request."""
    base_loss: float
    """Of whoever knows no more than the click rate of the training part."""

    def of(self, answers: list[Answer]) -> NDArray[np.float64]:
        """Returns the log loss of each call, nan where there was no answer in time."""
        none = np.full(len(self.bodies), np.nan)
        return np.array([self.losses.get(answer.model, none)[answer.request] for answer in answers])


def searched_ladder(work: Path, data: SearchData, options: argparse.Namespace) -> Ladder:
    """Returns the ladder of an earlier run, or of a search."""
    manifest = work / "home" / "models" / data.schema.schema_id / LADDER_FILE
    if not manifest.is_file():
        budget = replace(Budget(), num_trials=options.trials, num_candidates=options.models_trained)
        objective = Objective(SLO_SECONDS)
        search = SearchOptions(
            objective, datetime.now(UTC), SLO_BATCH, options.models_timed, budget, ladder=True
        )
        with progress() as report:
            search_ctr(data, work / "home" / "models", work / "latency", search, report)
    return read_ladder(manifest)


def make_load(data: SearchData, scorers: list[OnnxScorer], options: argparse.Namespace) -> Load:
    """Draws requests of test rows with five limits, of which about half bind."""
    rng, test, n = np.random.default_rng(1), data.rows.test, options.candidates
    shape = RequestShape(n, options.positions, 5)
    bodies = []
    losses: dict[str, list[float]] = {scorer.version: [] for scorer in scorers}
    for _ in range(NUM_REQUESTS):
        rows = rng.choice(len(test), n, replace=False)
        drawn = synthetic_request(data.schema, shape, "ladder", rng)
        request = replace(drawn, candidates=replace(drawn.candidates, categorical=test.ids[rows]))
        bodies.append(request_to_proto(request).SerializeToString())
        context, candidates = request.context, request.candidates
        for scorer in scorers:
            ctr = scorer.score(
                context.numeric, context.categorical, candidates.numeric, candidates.categorical
            )
            losses[scorer.version].append(log_loss(test.clicks[rows].astype(np.float64), ctr, np.ones(n)))
    rate = np.full(len(test), data.rows.train.clicks.mean(dtype=np.float64))
    base = log_loss(test.clicks.astype(np.float64), rate, np.ones(len(test)))
    return Load(bodies, {name: np.array(values) for name, values in losses.items()}, base)


def run_load(address: str, bodies: Sequence[bytes], rate: float, seconds: float) -> list[Answer]:
    """Sends calls at Poisson times with uniform deadlines, the same every time."""
    rng = np.random.default_rng(2)
    due = np.cumsum(rng.exponential(1.0 / rate, int(2 * rate * seconds) + 100))
    due = due[due < seconds]
    deadlines = rng.uniform(*DEADLINES, len(due))
    answers: list[Answer | None] = [None] * len(due)
    ended = threading.Semaphore(0)

    def done(number: int, call: Any) -> None:  # Any: gRPC's future of a call has no public type
        model = call.result().model_version if call.code() == grpc.StatusCode.OK else ""
        answers[number] = Answer(number % len(bodies), deadlines[number], call.code().name, model)
        ended.release()

    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        rank: Any = channel.unary_unary(RANK, response_deserializer=ranker_pb2.RankResponse.FromString)
        name, start = secrets.token_hex(4), time.perf_counter()
        for number, (offset, deadline) in enumerate(zip(due.tolist(), deadlines.tolist(), strict=True)):
            body = with_id(bodies[number % len(bodies)], f"{name}-{number}")
            time.sleep(max(start + offset - time.perf_counter(), 0.0))
            rank.future(body, timeout=deadline).add_done_callback(partial(done, number))
        for _ in due:
            ended.acquire()
    return [answer for answer in answers if answer is not None]


def one_run(home: Path, load: Load, version: str, options: argparse.Namespace) -> list[Answer]:
    """Returns the answers of a fresh server, asked for one version, or "" for the ladder."""
    pin = ranker_pb2.RankRequest(model_version=version).SerializeToString()
    bodies = [body + pin for body in load.bodies]
    with serving(home, {"ADRANKER_DURABILITY": options.durability}) as served:
        run_load(served.address, bodies, options.rate, WARM_SECONDS)
        return run_load(served.address, bodies, options.rate, options.seconds)


def summary(answers: list[Answer], load: Load) -> dict[str, Any]:
    """Returns the share in time and the mean log loss, of what was in time and of all."""
    losses = load.of(answers)
    num_in_time = int(np.isfinite(losses).sum())
    interval = binomtest(num_in_time, len(losses)).proportion_ci(method="wilson")
    models, counts = np.unique([each.model for each in answers if each.model], return_counts=True)
    return {
        "num_calls": len(answers),
        "in_time": round(num_in_time / len(losses), 5),
        "in_time_interval": [round(interval.low, 5), round(interval.high, 5)],
        "log_loss": round(float(np.nanmean(losses)), 6) if num_in_time else None,
        "log_loss_with_late": round(float(np.nan_to_num(losses, nan=load.base_loss).mean()), 6),
        "models": dict(zip(models.tolist(), (counts / counts.sum()).round(4).tolist(), strict=True)),
        "late": late(answers),
    }


def late(answers: list[Answer]) -> dict[str, dict[str, int]]:
    """Counts calls that were not answered in time, by deadline and status, and all of that deadline."""
    counts: dict[str, dict[str, int]] = {}
    for low, high in pairwise(LATE_BINS):
        here = [answer for answer in answers if low <= 1e3 * answer.deadline < high]
        missed = Counter(answer.status for answer in here if not answer.model)
        counts[f"{low}-{high} ms"] = {"calls": len(here), **missed}
    return counts


def verdict(runs: dict[str, list[Answer]], load: Load) -> dict[str, Any]:
    """Compares the ladder with the best single model that is in time, on calls that both answered."""
    told = {name: summary(answers, load) for name, answers in runs.items()}
    punctual = [name for name in told if name != LADDER and told[name]["in_time"] >= IN_TIME]
    met = told[LADDER]["in_time"] >= IN_TIME
    if not punctual:
        return {"ladder_in_time": met, "best_single": None}
    best = min(punctual, key=lambda name: told[name]["log_loss"])
    difference = load.of(runs[LADDER]) - load.of(runs[best])
    difference = difference[np.isfinite(difference)]
    half = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
    return {
        "ladder_in_time": met,
        "best_single": best,
        "log_loss_difference": round(float(difference.mean()), 6),
        "half_interval": round(float(half), 6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("var/bench-ladder"))
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--models-timed", type=int, default=60)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--models-trained", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--positions", type=int, default=10)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--durability", choices=("queued", "committed", "synced"), default="queued")
    options = parser.parse_args()
    data = generate_search_data(options.rows, 0, LAW)
    ladder = searched_ladder(options.work, data, options)
    home = options.work / "home"
    models = home / "models" / data.schema.schema_id
    versions = [rung.model_version for rung in ladder.rungs]
    load = make_load(data, [OnnxScorer.load(models / version) for version in versions], options)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    runs: dict[str, list[Answer]] = {LADDER: [], **{version: [] for version in versions}}
    turns = [(name, number) for number in range(options.rounds) for name in runs]
    for name, _ in track(turns, "runs", console=Console(stderr=True)):
        runs[name] += one_run(home, load, "" if name == LADDER else name, options)
    result = {name: summary(answers, load) for name, answers in runs.items()}
    for name, told in result.items():
        print(f"{name:18} in time {told['in_time']:.4f}   log loss {told['log_loss']}   {told['late']}")
    told = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "rate": options.rate,
        "candidates": options.candidates,
        "durability": options.durability,
        "rungs": [asdict(rung) for rung in ladder.rungs],
        "runs": result,
        "verdict": verdict(runs, load),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
