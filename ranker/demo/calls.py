"""Sends requests from several threads, as callers do, and takes their times."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ranker.client import RankerClient
    from ranker.serving.answer_conversion import Answer
    from ranker.slate import RankRequest

NUM_THREADS = 4
ROUND_TRIP = "round trip"  # as the caller sees it: network, queue and server


@dataclass(frozen=True, slots=True)
class Call:
    """One answered request with the seconds it took, by stage, the round trip among them."""

    answer: Answer
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Calls:
    """Answered requests in the order they were given, and how long all took."""

    calls: tuple[Call, ...]
    wall_seconds: float


class Caller:
    """A few threads over one connection."""

    def __init__(self, client: RankerClient, answered: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._answered = answered
        self._threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="caller")

    def rank(self, make: Callable[[int], RankRequest], keys: Sequence[int]) -> Calls:
        """Send `make(key)` for each key; an error of any request is raised."""
        start = time.perf_counter()
        calls = tuple(self._threads.map(lambda key: self._call(make(key)), keys))
        return Calls(calls, time.perf_counter() - start)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(cancel_futures=True)

    def _call(self, request: RankRequest) -> Call:
        start = time.perf_counter()
        answer = self._client.rank(request)
        seconds = time.perf_counter() - start
        self._answered()
        return Call(answer, {**answer.stage_seconds, ROUND_TRIP: seconds})
