"""Does anything grow with the traffic of a day?

    python -m benchmarks.soak --state var/soak --part process --requests 5000000
    python -m benchmarks.soak --state var/soak --part grpc --requests 200000

A day passes in minutes: requests come as fast as they are answered, an attribution window is four seconds
long and decisions are kept for twelve, ads come and go, clicks are reported, a learner publishes posteriors
and the server takes them up, and what is old, learned and rewarded is deleted. In process, one request in
twenty is answered and logged as over gRPC (`Decider`), the others in batches by `rank_many`, unlogged. Every
two seconds memory, open files, threads and the size of the store are noted in `--state`. A run that breaks
off is gone on with by the same command, as a further piece; `--minutes` ends a piece early. The last line is
JSON; the exit code is 1 where something grows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.progress import Progress

from ads.ranker.v1 import event_pb2, learner_pb2, learner_pb2_grpc
from benchmarks.decisions import SPACE
from benchmarks.rank_home import build_home
from benchmarks.serving import process, synthetic_requests
from benchmarks.soak_watch import Watch, children, read_samples, verdicts, wait_for
from ranker.events.records import Outcome
from ranker.home import Home
from ranker.load.generator import RANK, with_id
from ranker.load.synthetic import RequestShape
from ranker.pipeline import PipelineSettings
from ranker.rank_many import rank_many
from ranker.serving.collector import keep_collector_off_the_heap
from ranker.serving.learner_process import LearnerProcess
from ranker.serving.request_conversion import request_to_proto
from ranker.serving.server import Server
from ranker.serving.settings import ServerSettings
from ranker.stages import StageTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.slate import RankRequest

SHAPE = RequestShape(20, 3, 1, (SPACE,))
NUM_BODIES = 500
NUM_CALLERS = 4
# In process: requests of one turn, and how many of them are logged.
TURN, LOGGED = 100, 5
CLICK_RATIO = 0.3  # of logged decisions, at the first position
# A day's ads: so many at once, and after so many requests one of them is new.
NUM_ADS, REQUESTS_AN_AD = 2000, 50
WINDOW_SECONDS, KEEP_SECONDS = 4.0, 12.0
LIMITS = {"window_seconds": WINDOW_SECONDS, "keep_requests_seconds": KEEP_SECONDS / 2}
LIMITS |= {"keep_decisions_seconds": KEEP_SECONDS, "keep_unexported": False, "capture_ratio": 0.1}


class Traffic:
    """The requests of a day, by their number."""

    def __init__(self, home: Home) -> None:
        self._shapes = synthetic_requests(home.root, SHAPE, NUM_BODIES)

    def request(self, number: int) -> RankRequest:
        """Returns the request of that number, of the ads that are alive then."""
        request = self._shapes[number % NUM_BODIES]
        first = number // REQUESTS_AN_AD + 7919 * number % NUM_ADS
        ids = tuple([f"ad{first + i}" for i in range(SHAPE.num_candidates)])
        return replace(
            request,
            request_id=f"soak-{number}",
            content_hash=f"{number:032x}",
            unit_id=f"user{number % 100_000}",
            candidates=replace(request.candidates, ids=ids),
        )


def clicked(number: int) -> bool:
    """Says whether the first ad of a logged request is clicked."""
    return number * 2654435761 % 2**32 < CLICK_RATIO * 2**32


class Progressing:
    """Counts requests of all pieces, and ends when there are enough or the time is over."""

    def __init__(self, done: int, total: int, minutes: float) -> None:
        self.done, self._total = done, total
        self._end = time.monotonic() + 60 * minutes
        self._bar = Progress(console=Console(stderr=True))
        self._task = self._bar.add_task("requests", total=total, completed=done)
        self._told = time.monotonic()
        self._bar.start()

    def more(self, number: int) -> bool:
        """Takes note of answers; says whether to go on."""
        self.done += number
        if time.monotonic() - self._told > 1.0:
            self._told = time.monotonic()
            self._bar.update(self._task, completed=self.done)
        if self.done < self._total and time.monotonic() < self._end:
            return True
        self._bar.stop()
        return False


def in_process(home: Home, progress: Progressing, watched: Callable[[int], Watch]) -> None:
    """Answers in this process, with everything of a server but the network."""
    limits: dict[str, Any] = dict(LIMITS)
    server = Server(ServerSettings(home.root, port=0, metrics_port=0, durability="queued", **limits))
    server.start()
    learner = LearnerProcess(home, ["--inference", "closed_form"], server.parts.metrics)
    traffic, settings = Traffic(home), PipelineSettings(draw_key=home.draw_key())
    keep_collector_off_the_heap()
    watch = watched(os.getpid())
    watch.start()
    while progress.more(TURN):
        start = progress.done
        for number in range(start, start + LOGGED):
            decide(server, traffic.request(number), number)
        some = [traffic.request(number) for number in range(start + LOGGED, start + TURN)]
        answers = rank_many(some, server.parts.registry.current(), settings, num_threads=1)
        assert all(hasattr(answer, "shown") for answer in answers), answers[0]
    watch.stop()
    learner.close()
    server.close()


def decide(server: Server, request: RankRequest, number: int) -> None:
    """Answers as over gRPC, and reports the click."""
    decision = server.parts.decider.decide(request, StageTimer())
    server.parts.metrics.observe(decision, decision.stage_seconds)
    if clicked(number):
        click = Outcome(f"click-{number}", decision.decision_id, 0, "click", 1.0, time.time())
        server.parts.store.record_outcomes([click])


def over_grpc(home: Home, progress: Progressing, watched: Callable[[int], Watch]) -> None:
    """Calls a server process from a few threads; every call must be answered."""
    traffic = Traffic(home)
    bodies = [request_to_proto(traffic.request(31 * i)).SerializeToString() for i in range(NUM_BODIES)]
    environment = {f"ADRANKER_{name.upper()}": str(value) for name, value in LIMITS.items()}
    command = ["ranker.cli", "serve", "--home", str(home.root), "--port", "0", "--metrics-port", "0"]
    with (
        process([*command, "--with-learner"], environment) as served,
        grpc.insecure_channel(served.address) as channel,
        ThreadPoolExecutor(NUM_CALLERS) as callers,
    ):
        wait_for(lambda: bool(children(served.process_id)), 60, "the learner")
        watch = watched(served.process_id)
        watch.start()
        rank: Any = channel.unary_unary(RANK)
        learn = learner_pb2_grpc.LearnerServiceStub(channel)
        while progress.more(TURN):
            numbers = range(progress.done, progress.done + TURN)
            raw = [with_id(bodies[i % NUM_BODIES], f"soak-{i}") for i in numbers]
            list(callers.map(partial(rank, timeout=600), raw))
            clicks = [outcome(number) for number in numbers if clicked(number)]
            learn.ReportOutcomes(iter([learner_pb2.ReportOutcomesRequest(outcomes=clicks)]), timeout=600)
        watch.stop()


def _family(server: int) -> dict[str, int]:
    """Returns the ids of a server and its learner, where it has one now."""
    return dict(zip(("server", "learner"), (server, *children(server)), strict=False))


def outcome(number: int) -> event_pb2.Outcome:
    at = Timestamp()
    at.GetCurrentTime()
    return event_pb2.Outcome(
        event_id=f"click-{number}",
        decision_id=f"soak-{number}",
        event_type="click",
        reward=1.0,
        occurred_at=at,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--state", type=Path, default=Path("var/soak"))
    parser.add_argument("--part", choices=("process", "grpc"), default="process")
    parser.add_argument("--requests", type=int, default=5_000_000)
    parser.add_argument("--minutes", type=float, default=1e6, help="after which this piece ends")
    options = parser.parse_args()
    root, file = options.state / options.part, options.state / f"{options.part}.jsonl"
    home = Home(root) if root.exists() else build_home(root)
    before = read_samples(file)
    done = max((sample.requests for sample in before), default=0)
    started, progress = time.monotonic(), Progressing(done, options.requests, options.minutes)
    run = in_process if options.part == "process" else over_grpc
    run(
        home,
        progress,
        lambda server: Watch(file, partial(_family, server), home.events, lambda: progress.done),
    )
    judged = verdicts(read_samples(file))
    rate = (progress.done - done) / (time.monotonic() - started)
    print(json.dumps({"requests": progress.done, "requests_per_second": round(rate), **judged}))
    sys.exit(any(each["verdict"] == "grows" for one in judged.values() for each in one.values()))


if __name__ == "__main__":
    main()
