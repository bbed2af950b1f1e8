"""The calls that wait for a thread: the more urgent first, and the low are turned away before the others.

gRPC hands each call to an executor. Here that is the lane of its priority; the threads behind the lanes take
the oldest call of the most urgent one.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Priority(IntEnum):
    """How urgent a call is: a more urgent one is answered first, and refused last."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


# Share of the places that calls of low priority may fill: the others are kept for the more urgent.
LOW_SHARE = 0.5


class CallQueue:
    """Waiting calls by priority, and the threads that answer them."""

    def __init__(self, num_threads: int, num_places: int) -> None:
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="rank")
        self._num_places = num_places
        self._lock = threading.Lock()  # held to take a call
        self._waiting: dict[Priority, deque[Callable[[], Any]]] = {
            priority: deque() for priority in sorted(Priority, reverse=True)
        }
        self.lanes = {priority: Lane(partial(self._put, priority)) for priority in Priority}

    def has_room(self, priority: Priority) -> bool:
        """Says whether a call of that priority may wait; for the urgent ones gRPC itself knows the bound."""
        return priority is not Priority.LOW or self.num_waiting < LOW_SHARE * self._num_places

    @property
    def num_waiting(self) -> int:
        """The number of calls that wait."""
        return sum(map(len, self._waiting.values()))

    def _put(self, priority: Priority, call: Callable[[], Any]) -> Future[Any]:
        self._waiting[priority].append(call)
        # Not this very call: there are as many of these as there are calls.
        return self._pool.submit(self._answer_one)

    def _answer_one(self) -> None:
        with self._lock:
            call = next(calls.popleft() for calls in self._waiting.values() if calls)
        call()


class Lane(ThreadPoolExecutor):
    """What gRPC takes for a pool: it runs nothing itself, `put` says what becomes of a call."""

    def __init__(self, put: Callable[[Callable[[], Any]], Future[Any]]) -> None:
        super().__init__(1)
        self._put = put

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hands the call on."""
        return self._put(partial(fn, *args, **kwargs))


def at_once(call: Callable[[], Any]) -> Future[Any]:
    """Runs a call where it arrives, in gRPC's own thread: for refusals, which must not wait or read."""
    done: Future[Any] = Future()
    call()
    done.set_result(None)
    return done
