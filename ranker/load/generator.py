"""An open-loop load: calls start at Poisson times, whether the service keeps up or not.

A closed loop would wait for a slow service and so never measure it (coordinated omission): here the latency
of a call counts from the time at which it was due.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from ads.ranker.v1 import ranker_pb2
from ranker.connection import connect
from ranker.errors import InvalidInputError
from ranker.load.latencies import Latencies
from ranker.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ranker.connection import Security

RANK = "/ads.ranker.v1.RankerService/Rank"
# After the last call is due, how long beyond its deadline to wait for stragglers.
GRACE_SECONDS = 5.0
# In place of a gRPC code: what the caller did not send, as the service had just refused many.
HELD_BACK = "HELD_BACK"


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How hard, how long."""

    rate: float  # calls a second, on average
    seconds: float
    deadline_seconds: float = 0.1
    num_channels: int = 4  # connections, used in turns
    seed: int = 0
    request_id_prefix: str = "load"
    throttle: bool = False  # whether callers hold back as `RankerClient` does while the service refuses many

    def __post_init__(self) -> None:
        for name in ("rate", "seconds", "deadline_seconds"):
            if not 0 < getattr(self, name) < 1e6:
                raise InvalidInputError(name, getattr(self, name), "must be positive and below a million")
        if self.num_channels < 1:
            raise InvalidInputError("num_channels", self.num_channels, "must be at least 1")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of it."""

    num_calls: int
    seconds: float  # from the first call due to the last answer
    codes: dict[str, int]  # gRPC code, or HELD_BACK → calls
    # gRPC code → HDR histogram of the latencies in microseconds, each from the time its call was due.
    latencies: dict[str, str]
    late_starts: int  # calls that this client started over a millisecond late: it is the bottleneck

    @property
    def goodput(self) -> float:
        """Returns answers within their deadline a second."""
        return self.codes.get("OK", 0) / self.seconds

    def summary(self) -> dict[str, object]:
        """Returns the figures as plain data; latencies in milliseconds."""
        return {
            "num_calls": self.num_calls,
            "seconds": round(self.seconds, 3),
            "goodput_per_second": round(self.goodput, 1),
            "codes": self.codes,
            "late_starts": self.late_starts,
            "latency_ms": {
                code: Latencies([encoded]).milliseconds() for code, encoded in self.latencies.items()
            },
            "latency_hdr": self.latencies,
        }


def merged(results: Sequence[LoadResult]) -> LoadResult:
    """Returns what came of loads at the same time as if it had been one."""
    codes: Counter[str] = Counter()
    for result in results:
        codes.update(result.codes)
    answered = sorted({code for result in results for code in result.latencies})
    return LoadResult(
        sum(result.num_calls for result in results),
        max(result.seconds for result in results),
        dict(codes),
        {
            code: Latencies(
                result.latencies[code] for result in results if code in result.latencies
            ).encoded()
            for code in answered
        },
        sum(result.late_starts for result in results),
    )


class _Tally:
    """Counts answers as they come, from gRPC's threads."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.latencies: dict[str, Latencies] = {}
        self.num_done = 0

    def done(self, code: str, due: float) -> None:
        latency = time.perf_counter() - due
        with self.lock:
            if code not in self.latencies:
                self.latencies[code] = Latencies()
            self.latencies[code].record(latency)
            self.num_done += 1
            self.lock.notify_all()


def _done(tally: _Tally, throttle: Throttle, due: float, call: Any) -> None:  # Any: has no public type
    tally.done(call.code().name, due)
    throttle.learn(call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED)


def run_load(
    address: str,
    bodies: Sequence[bytes],
    settings: LoadSettings,
    progress: Callable[[float], None] = lambda _: None,
    security: Security | None = None,
) -> LoadResult:
    """Sends serialised requests `bodies` in turns, each under an id of its own, and waits for the answers."""
    rng = np.random.default_rng(settings.seed)
    due = np.cumsum(
        rng.exponential(1.0 / settings.rate, size=int(1.5 * settings.rate * settings.seconds) + 100)
    )
    due = due[due < settings.seconds]
    # "grpc.use_local_subchannel_pool": else all channels to one address share a connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [connect(address, security, options) for _ in range(settings.num_channels)]
    for channel in channels:
        grpc.channel_ready_future(channel).result(timeout=10)
    methods: list[Any] = [channel.unary_unary(RANK) for channel in channels]
    tally, throttle, late = _Tally(), Throttle(rng), 0
    start = time.perf_counter()
    for i, offset in enumerate(due.tolist()):
        wait = start + offset - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        late += wait < -1e-3
        progress(offset / settings.seconds)
        if settings.throttle and not throttle.sends():
            tally.done(HELD_BACK, start + offset)
            continue
        call = methods[i % len(methods)].future(
            with_id(bodies[i % len(bodies)], f"{settings.request_id_prefix}-{i}"),
            timeout=settings.deadline_seconds,
        )
        call.add_done_callback(partial(_done, tally, throttle, start + offset))
    with tally.lock:
        tally.lock.wait_for(
            lambda: tally.num_done == len(due), timeout=settings.deadline_seconds + GRACE_SECONDS
        )
        counted = dict(sorted(tally.latencies.items()))
        codes = {code: latencies.number for code, latencies in counted.items()}
        encoded = {code: latencies.encoded() for code, latencies in counted.items()}
    seconds = time.perf_counter() - start
    for channel in channels:
        channel.close()
    progress(1.0)
    if (lost := len(due) - sum(codes.values())) > 0:
        codes["NO_ANSWER"] = lost
    return LoadResult(len(due), seconds, codes, encoded, late)


def with_id(body: bytes, request_id: str) -> bytes:
    """Returns a serialised request under another id."""
    # Protobuf: of a field that comes twice, the last one counts.
    return body + ranker_pb2.RankRequest(request_id=request_id).SerializeToString()
