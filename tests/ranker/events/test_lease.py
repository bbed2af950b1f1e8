"""One learner at a time, whichever rows keep the lease."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ranker.errors import StateError
from ranker.events.lease import Lease, LeaseRows, open_lease_rows

Open = Callable[[], LeaseRows]


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    place = tmp_path / "creatives" / "learner.db" if request.param == "sqlite" else None
    location = place or request.getfixturevalue("url")
    return lambda: open_lease_rows(location)


def taken(lease: Lease, last_epoch: int = 0) -> bool:
    """Tries once."""
    once = threading.Event()

    def stop_then() -> int:
        once.set()
        return last_epoch

    return lease.acquire(once, stop_then)


def freeze(lease: Lease) -> None:
    """Stops renewing, as a frozen process does, and gives nothing back."""
    lease._closed.set()
    lease._renewer.join()


def test_the_second_waits_until_the_first_is_done(opened: Open) -> None:
    second = Lease(opened(), "learner", 30.0)
    with Lease(opened(), "learner", 30.0) as first:
        assert taken(first)
        first.check()
        assert not taken(second)
    with second:
        assert taken(second)
        assert (first.epoch, second.epoch) == (1, 2)


def test_different_works_do_not_wait_for_each_other(opened: Open) -> None:
    with Lease(opened(), "learner", 30.0) as learner, Lease(opened(), "consumer", 30.0) as consumer:
        assert taken(learner)
        assert taken(consumer)
    with Lease(opened(), "learner", 30.0) as learner, Lease(opened(), "consumer", 30.0) as consumer:
        assert taken(consumer)
        freeze(consumer)
        assert taken(learner)
        consumer.check()


def test_a_lease_is_renewed_beyond_its_life(opened: Open) -> None:
    with Lease(opened(), "learner", 1.0) as first, Lease(opened(), "learner", 1.0) as second:
        assert taken(first)
        for _ in range(6):
            time.sleep(0.25)
            assert not taken(second)
        first.check()


def test_a_frozen_holder_is_succeeded_and_told_so(opened: Open) -> None:
    with Lease(opened(), "learner", 0.5) as first, Lease(opened(), "learner", 0.5) as second:
        assert taken(first)
        freeze(first)
        assert second.acquire(threading.Event(), lambda: 0)  # waits for the end of the first
        assert second.epoch == 2
        with pytest.raises(StateError, match="learner_lease = 1: is lost"):
            first.check()
    # What the first gives back at its end was no longer its own.


def test_the_late_end_of_a_predecessor_takes_nothing_from_its_successor(opened: Open) -> None:
    first, second, third = (Lease(opened(), "learner", seconds) for seconds in (0.3, 30.0, 30.0))
    with second, third:
        with first:
            assert taken(first)
            freeze(first)
            assert second.acquire(threading.Event(), lambda: 0)
        assert not taken(third)
        second.check()


def test_an_epoch_is_above_what_is_published(opened: Open) -> None:
    with Lease(opened(), "learner", 30.0) as first:
        assert taken(first, last_epoch=7)
        assert first.epoch == 8
    with Lease(opened(), "learner", 30.0) as second:
        assert taken(second, last_epoch=3)
        assert second.epoch == 9


def test_of_many_that_ask_at_once_one_gets_it(opened: Open) -> None:
    leases = [Lease(opened(), "learner", 30.0) for _ in range(6)]
    got: list[bool] = []
    threads = [threading.Thread(target=lambda lease=lease: got.append(taken(lease))) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 1
    for lease in leases:
        lease.__exit__(None, None, None)


def test_rows_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "learner.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StateError, match=r"learner_lease = .*cannot be used"):
        open_lease_rows(tmp_path / "learner.db")
