"""Lets the store delete what is older than it is to be kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ranker.errors import RankerError
from ranker.serving.incident import Incident

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.events.store import EventStore

RETIRE_SECONDS = 30.0


class Retirer:
    """A thread that asks now and then, piece after piece, so that no record waits long for its turn."""

    def __init__(
        self, store: EventStore, learned_until: Callable[[], int], seconds: float = RETIRE_SECONDS
    ) -> None:
        self._store = store
        self._learned_until = learned_until
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retirer")

    def start(self) -> None:
        """Begins with the first pause."""
        self._thread.start()

    def close(self) -> None:
        """Waits for the piece under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        incident = Incident()
        while not self._stop.wait(self._seconds):
            with incident.watched(RankerError):
                learned_until = self._learned_until()
                while not self._stop.is_set() and self._store.retire(learned_until).result():
                    pass
