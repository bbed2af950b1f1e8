"""What do spans cost a call of Rank: where they are off, where a call is not sampled, where it is?

    python -m benchmarks.tracing

Calls go through the edge of a real server in this process, without a network, in turns of a few: without
tracing; with it, but no header; with a `traceparent` that is not sampled; with one that is, to a collector in
another process. Compared is the processor time of the whole process. What a call still does where tracing is
off is timed by itself. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import tempfile
import time
import timeit
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from rich.console import Console
from rich.progress import track

from ads.ranker.v1 import ranker_pb2
from benchmarks.decisions import SPACE
from benchmarks.rank_home import build_home
from benchmarks.serving import synthetic_requests
from ranker.load.synthetic import RequestShape
from ranker.serving.call_ids import REQUEST_ID, TRACE
from ranker.serving.edge import RANK, EdgeInterceptor
from ranker.serving.request_conversion import request_to_proto
from ranker.serving.server import Server
from ranker.serving.servicers import RankerServicer
from ranker.serving.settings import ServerSettings
from ranker.serving.tracing import to_collector

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from ranker.serving.tracing import Tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"
NUM_CALLS = 5  # of a turn
WARM_UP = 20  # turns
CASES = {"off": (), "on, no header": (), "on, not sampled": (f"{PARENT}0",), "on, sampled": (f"{PARENT}1",)}


@dataclass
class Details:
    """What gRPC tells of a call that arrives."""

    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...] = ()


class CallContext:
    """As much of gRPC's context as a call of Rank asks for."""

    def __init__(self, headers: tuple[str, ...]) -> None:
        self._metadata = tuple(("traceparent", header) for header in headers)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns the headers."""
        return self._metadata

    def time_remaining(self) -> float:
        """Returns a deadline that is far."""
        return 60.0

    def is_active(self) -> bool:
        """Returns that the caller waits."""
        return True

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Takes the answer for sent."""
        callback()
        return True


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans and forgets them."""

    def Export(  # noqa: N802 (gRPC's name)
        self, _request: trace_service_pb2.ExportTraceServiceRequest, _context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Takes some."""
        return trace_service_pb2.ExportTraceServiceResponse()


def collect(ready: Connection) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server  # has no types
    add(Collector(), server)
    ready.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    server.wait_for_termination()


def handlers(server: Server, tracing: Tracing) -> dict[str, Callable[[bytes], Any]]:
    """Returns for each case what answers a serialised request."""
    parts = server.parts
    servicer = RankerServicer(parts.decider, parts.metrics, parts.errors)
    inner = grpc.unary_unary_rpc_method_handler(
        servicer.Rank,
        request_deserializer=ranker_pb2.RankRequest.FromString,
        response_serializer=ranker_pb2.RankResponse.SerializeToString,
    )
    made: dict[str, Callable[[bytes], Any]] = {}
    for case, headers in CASES.items():
        streams = ThreadPoolExecutor(1)
        used = None if case == "off" else tracing
        edge = EdgeInterceptor(parts.metrics, parts.errors, 2**22, streams, parts.gate, used)
        handler = edge.intercept_service(lambda _: inner, Details(RANK))
        made[case] = partial(_answered, handler, CallContext(headers))
    return made


def _answered(
    handler: Any, context: CallContext, raw: bytes
) -> Any:  # Any: gRPC's handler has no public type
    return handler.unary_unary(raw, context)


def hooks_seconds() -> float:
    """Times what a call does for tracing and log lines where both are off."""
    logger = logging.getLogger("ranker.serving.servicers")

    def hooks() -> None:
        REQUEST_ID.set("")
        REQUEST_ID.set("request")
        if TRACE.get() is None and not logger.isEnabledFor(logging.DEBUG):
            TRACE.get()

    return min(timeit.repeat(hooks, number=100_000, repeat=5)) / 1e5


def measured(home: Path, port: int, options: argparse.Namespace) -> dict[str, object]:
    shape = RequestShape(100, 10, 5, (SPACE,))
    messages = [request_to_proto(request) for request in synthetic_requests(home, shape, 50)]
    for message in messages:
        message.mode.no_log = True  # or the event writer's thread adds its noise
    bodies = [message.SerializeToString() for message in messages]
    server = Server(ServerSettings(home, port=0, metrics_port=0, reload_seconds=3600))
    server.start()
    tracing = to_collector(f"http://127.0.0.1:{port}", 0.0)
    answers, rng = handlers(server, tracing), np.random.default_rng(0)
    seconds: dict[str, list[float]] = {case: [] for case in answers}
    for i in track(range(WARM_UP + options.rounds), "rounds", console=Console(stderr=True)):
        for case in rng.permutation(list(answers)).tolist():
            TRACE.set(None)  # as in a server without tracing, which shares no thread with one that has it
            some = [bodies[(i * NUM_CALLS + j) % len(bodies)] for j in range(NUM_CALLS)]
            started = time.process_time()
            for body in some:
                answers[case](body)
            if i >= WARM_UP:
                seconds[case].append((time.process_time() - started) / NUM_CALLS)
    tracing.close()
    server.close()
    return summary({case: 1e6 * np.array(each) for case, each in seconds.items()}, 1e6 * hooks_seconds())


def summary(
    microseconds: dict[str, np.ndarray[Any, np.dtype[np.float64]]], hooks: float
) -> dict[str, object]:
    """Compares within rounds; intervals of the median by resampling rounds."""
    off, rng = microseconds["off"], np.random.default_rng(1)
    result: dict[str, object] = {
        "microseconds": {case: round(float(np.median(each)), 1) for case, each in microseconds.items()},
        "hooks_when_off_microseconds": round(hooks, 3),
        "hooks_when_off_ratio": round(hooks / float(np.median(off)), 6),
    }
    for case, each in microseconds.items():
        rows = rng.integers(0, len(off), (2000, len(off)))
        bounds = np.percentile(np.median((each / off)[rows], axis=1), [2.5, 97.5])
        result[f"{case} / off"] = [round(float(x), 4) for x in (np.median(each / off), *bounds)]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    collector = multiprocessing.get_context("spawn").Process(target=collect, args=(theirs,), daemon=True)
    collector.start()
    with tempfile.TemporaryDirectory() as scratch:
        home = build_home(Path(scratch) / "home")
        result = measured(home.root, ours.recv(), options)
    collector.terminate()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
