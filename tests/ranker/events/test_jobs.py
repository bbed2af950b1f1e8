"""The queue between the threads that record and the one that writes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ranker.errors import OverloadedError, StateError
from ranker.events.jobs import JobQueue
from tests.contracts.event_store import Clock

if TYPE_CHECKING:
    from ranker.events.transaction import Transaction


def nothing(_transaction: Transaction, _received_at: float) -> None:
    return None


def test_jobs_leave_in_order_and_whole() -> None:
    queue = JobQueue(10, 0.0, Clock())
    for size in (1, 2, 3):
        queue.put(nothing, size)
    assert queue.size == 6
    batch, _ = queue.take(4, 0.0)
    assert [job.size for job in batch] == [1, 2]
    assert queue.size == 3
    batch, _ = queue.take(1, 0.0)
    assert [job.size for job in batch] == [3]  # larger than the limit, and still not split


def test_what_is_left_holds_the_time_back() -> None:
    clock = Clock(5.0)
    queue = JobQueue(10, 0.0, clock)
    queue.put(nothing, 1)
    clock.now = 6.0
    queue.put(nothing, 1)
    clock.now = 7.0
    assert queue.take(1, 0.0)[1] == 6.0
    assert queue.take(1, 0.0)[1] == 7.0


def test_a_full_queue_refuses_and_counts() -> None:
    queue = JobQueue(3, 0.0, Clock())
    queue.put(nothing, 2)
    with pytest.raises(OverloadedError):
        queue.put(nothing, 2)
    assert (queue.size, queue.dropped) == (2, 2)
    queue.put(nothing, 1)


def test_a_full_queue_waits_for_room() -> None:
    queue = JobQueue(1, 60.0, Clock())
    queue.put(nothing, 1)
    waiting = threading.Thread(target=queue.put, args=(nothing, 1))
    waiting.start()
    assert len(queue.take(1, 0.0)[0]) == 1
    waiting.join()
    assert (queue.size, queue.dropped) == (1, 0)


def test_closing_wakes_those_who_wait_for_room() -> None:
    queue = JobQueue(1, 60.0, Clock())
    queue.put(nothing, 1)
    errors: list[StateError] = []

    def put() -> None:
        with pytest.raises(StateError) as caught:
            queue.put(nothing, 1)
        errors.append(caught.value)

    waiting = threading.Thread(target=put)
    waiting.start()
    queue.close()
    waiting.join()
    assert len(errors) == 1
    assert not queue.is_drained
    queue.take(1, 0.0)
    assert queue.is_drained


def test_no_one_cancels_what_is_queued() -> None:
    future = JobQueue(1, 0.0, Clock()).put(nothing, 1)
    assert not future.cancel()
