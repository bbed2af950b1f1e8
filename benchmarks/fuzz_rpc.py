"""Does any message crash the server, grow it, or end in an error that says nothing?

    python -m benchmarks.fuzz_rpc --examples 20000

Every method of every service of a real server is called with random bytes, with good messages whose bytes
were edited, with messages of the right type whose fields hold what nobody would send, and with odd headers.
An answer must be OK or an error that a caller can act on, with the field that is wrong: UNKNOWN and INTERNAL
are faults, and so is a call without an answer in time. Afterwards the server must answer a good request and
have grown by no more than `--max-growth-mib`. Hypothesis draws the messages and shrinks what fails. The last
line is JSON; the exit code is 1 at a fault.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import empty_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from ads.ranker.v1 import admin_pb2, event_pb2, learner_pb2, ranker_pb2
from benchmarks.decisions import SPACE
from benchmarks.fuzz_messages import edited_bytes, edited_message
from benchmarks.rank_home import build_home
from benchmarks.serving import process, synthetic_requests
from benchmarks.soak_watch import look
from ranker.load.synthetic import RequestShape
from ranker.serving.request_conversion import DEGRADATION_HEADER, PRIORITY_HEADER, request_to_proto

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.message import Message

TIMEOUT_SECONDS = 200.0
# The health service of gRPC's package answers all others of its methods.
NOT_THERE = "/grpc.health.v1.Health/List"
TYPED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}
OURS = "ads.ranker.v1."
DECISION = "fuzz-known"


@dataclass(frozen=True)
class Method:
    """How a method is called, with a good message to begin from."""

    path: str
    streams: tuple[bool, bool]  # of requests, of responses
    good: Message

    def call(self, channel: grpc.Channel, messages: Sequence[bytes], metadata: Any) -> tuple[str, str]:
        """Returns code and complaint ("": none) of a call with these messages."""
        kinds: dict[tuple[bool, bool], Callable[..., Any]] = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        method = kinds[self.streams](self.path)
        argument = iter(messages) if self.streams[0] else messages[0]
        try:
            answer = method(argument, timeout=TIMEOUT_SECONDS, metadata=metadata)
            if self.streams[1]:
                next(answer, None)
                answer.cancel()
        except grpc.RpcError as error:
            return self._judged(error)
        return "OK", ""

    def _judged(self, error: Any) -> tuple[str, str]:
        code = error.code().name
        if code not in TYPED:
            return code, f"{self.path}: {code} {error.details()!r}"
        if self.path.startswith(f"/{OURS}") and rpc_status.from_call(error) is None:
            return code, f"{self.path}: {code} without details: {error.details()!r}"
        return code, ""


def methods(request: ranker_pb2.RankRequest) -> list[Method]:
    """Returns every method of every service, from the services' own descriptions."""
    files = (ranker_pb2, learner_pb2, admin_pb2, health_pb2, reflection_pb2)
    good = goods(request)
    return [
        Method(
            f"/{service.full_name}/{method.name}",
            (method.client_streaming, method.server_streaming),
            good.get(method.input_type.full_name, empty_pb2.Empty()),
        )
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if f"/{service.full_name}/{method.name}" != NOT_THERE
    ]


def goods(request: ranker_pb2.RankRequest) -> dict[str, Message]:
    """Returns a message that is understood for each type that a method takes."""
    outcome = event_pb2.Outcome(event_id="e", decision_id=DECISION, event_type="click", reward=1.0)
    outcome.occurred_at.FromSeconds(int(time.time()))
    made: list[Message] = [
        request,
        ranker_pb2.BatchRankRequest(requests=[request] * 2),
        learner_pb2.ReportOutcomesRequest(outcomes=[outcome]),
        admin_pb2.ListVersionsRequest(),
        admin_pb2.ReloadRequest(),
        admin_pb2.ReplayDecisionRequest(decision_id=DECISION),
        admin_pb2.ExplainRequest(decision_id=DECISION),
        health_pb2.HealthCheckRequest(service="ads.ranker.v1.RankerService"),
        reflection_pb2.ServerReflectionRequest(list_services=""),
    ]
    return {message.DESCRIPTOR.full_name: message for message in made}


@st.composite
def calls(draw: st.DrawFn, known: list[Method]) -> tuple[Method, list[bytes], tuple[tuple[str, str], ...]]:
    """Draws a method, its messages and headers."""
    method = draw(st.sampled_from(known))
    drawn = st.binary(max_size=300) | edited_bytes(method.good.SerializeToString())
    if method.good.DESCRIPTOR.fields:
        drawn |= edited_message(method.good)
    number = draw(st.integers(0, 3)) if method.streams[0] else 1
    names = st.sampled_from((PRIORITY_HEADER, DEGRADATION_HEADER, "traceparent", "x-any"))
    texts = st.sampled_from(("low", "high", "any", "", "00-1-2-01")) | st.text("abc-019 ", max_size=60)
    headers = draw(st.lists(st.tuples(names, texts.map(str.strip)), max_size=2))
    return method, [draw(drawn) for _ in range(number)], tuple(headers)


def fuzz(
    channel: grpc.Channel, known: list[Method], examples: int, progress: Callable[[], None]
) -> dict[str, dict[str, int]]:
    """Makes the calls; returns codes by method.

    Raises AssertionError with the smallest call found that ends in a fault.
    """
    seen: dict[str, Counter[str]] = {method.path: Counter() for method in known}

    @seed(0)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(calls(known))
    def run(call: tuple[Method, list[bytes], tuple[tuple[str, str], ...]]) -> None:
        method, messages, headers = call
        code, complaint = method.call(channel, messages, headers)
        seen[method.path][code] += 1
        progress()
        assert not complaint, f"{complaint}; messages {[m.hex() for m in messages]}, headers {headers}"

    run()
    return {path: dict(codes) for path, codes in seen.items()}


def small_request(home: Path) -> ranker_pb2.RankRequest:
    """Returns a request with something in most fields."""
    (request,) = synthetic_requests(home, RequestShape(6, 3, 2, (SPACE,)), 1)
    message = request_to_proto(request)
    message.request_id = DECISION
    message.unit_id = "user"
    return message


def measured(home: Path, options: argparse.Namespace, progress: Callable[[], None]) -> dict[str, object]:
    request = small_request(home)
    command = ["ranker.cli", "serve", "--home", str(home), "--port", "0", "--metrics-port", "0"]
    with process(command, {}) as served, grpc.insecure_channel(served.address) as channel:
        rank: Any = channel.unary_unary(
            f"/{OURS}RankerService/Rank", response_deserializer=ranker_pb2.RankResponse.FromString
        )
        rank(request.SerializeToString(), timeout=TIMEOUT_SECONDS)
        known, fault, codes = methods(request), "", {}
        started = time.perf_counter()
        try:
            fuzz(channel, known, options.examples // 4, progress)  # buffers find their size
            before, started = look(served.process_id), time.perf_counter()
            codes = fuzz(channel, known, options.examples, progress)
        except AssertionError as error:
            before, fault = look(served.process_id), str(error)
        took = time.perf_counter() - started
        request.request_id = "afterwards"
        answered = len(rank(request.SerializeToString(), timeout=TIMEOUT_SECONDS).slate)
        after = look(served.process_id)
    growth = [after[0] - before[0], after[1] - before[1], after[2] - before[2]]
    return {
        "codes": codes,
        "fault": fault,
        "answers_afterwards": answered > 0,
        "grown_by": dict(
            zip(("resident_mib", "open_files", "threads"), (growth[0] / 2**20, *growth[1:]), strict=True)
        ),
        "calls_per_second": round(options.examples / took),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--max-growth-mib", type=float, default=32.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("calls", total=options.examples * 5 // 4)
        home = build_home(Path(scratch) / "home")
        result = measured(home.root, options, partial(bar.advance, task))
    print(json.dumps(result))
    grown: Any = result["grown_by"]
    sys.exit(
        bool(result["fault"])
        or not result["answers_afterwards"]
        or grown["resident_mib"] > options.max_growth_mib
    )


if __name__ == "__main__":
    main()
