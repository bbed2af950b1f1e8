"""Who is answered first and who finds no room, without a server."""

from __future__ import annotations

import threading

from ranker.serving.call_queue import CallQueue, Lane, Priority, at_once


def held(queue: CallQueue) -> threading.Event:
    """Occupies the queue's only thread; returns what lets it go."""
    started, go = threading.Event(), threading.Event()

    def hold():
        started.set()
        go.wait(60)

    queue.lanes[Priority.HIGH].submit(hold)
    assert started.wait(60)
    return go


def test_the_more_urgent_is_answered_first_and_equals_in_turn():
    queue, answered = CallQueue(1, 40), []
    go = held(queue)
    calls = [(Priority.LOW, "low"), (Priority.NORMAL, "a"), (Priority.HIGH, "high"), (Priority.NORMAL, "b")]
    futures = [queue.lanes[priority].submit(answered.append, name) for priority, name in calls]
    go.set()
    for future in futures:
        future.result()
    assert answered == ["high", "a", "b", "low"]


def test_low_calls_leave_half_of_the_places_to_the_more_urgent():
    queue, room = CallQueue(1, 10), []
    go = held(queue)
    for _ in range(10):
        room.append("".join(p.name[0] for p in Priority if queue.has_room(p)))
        queue.lanes[Priority.NORMAL].submit(lambda: None)
    assert room == ["LNH"] * 5 + ["NH"] * 5
    go.set()


def test_a_call_that_fails_leaves_the_thread_to_the_next():
    queue = CallQueue(1, 40)
    failed = queue.lanes[Priority.NORMAL].submit(lambda: 1 / 0)
    assert isinstance(failed.exception(), ZeroDivisionError)
    queue.lanes[Priority.NORMAL].submit(lambda: None).result()


def test_a_refusal_runs_where_it_arrives():
    assert Lane(at_once).submit(threading.get_ident).done()
    ran_on = []
    Lane(at_once).submit(lambda: ran_on.append(threading.get_ident()))
    assert ran_on == [threading.get_ident()]
