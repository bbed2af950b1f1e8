"""The thread that asks the store to delete."""

from __future__ import annotations

import time
from concurrent.futures import Future

from ranker.errors import StateError
from ranker.serving.retention import Retirer


class Store:
    """Has so many pieces to delete; the second time it is asked it fails."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces
        self.asked: list[int] = []

    def retire(self, learned_until: int) -> Future[int]:
        self.asked.append(learned_until)
        future: Future[int] = Future()
        if len(self.asked) == 2:
            future.set_exception(StateError("events.writer", "stopped", "the record was not stored"))
        else:
            self.pieces -= 1
            future.set_result(max(0, self.pieces))
        return future


def test_it_asks_until_nothing_is_left_and_again_after_a_failure(caplog) -> None:
    store = Store(5)
    retirer = Retirer(store, lambda: 7, seconds=0.01)  # type: ignore[arg-type]
    retirer.start()
    deadline = time.monotonic() + 30
    while store.pieces > 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    retirer.close()
    assert set(store.asked) == {7}
    assert "the record was not stored" in caplog.text


def test_closing_one_that_never_ran_is_nothing() -> None:
    Retirer(Store(1), lambda: 0).close()  # type: ignore[arg-type]
