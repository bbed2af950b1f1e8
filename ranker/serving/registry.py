"""Which snapshot serves: loaded off the request path, swapped atomically, kept where the next cannot load."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ranker.errors import StateError
from ranker.serving.incident import Incident

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.serving.metrics import Metrics
    from ranker.snapshot import Snapshot


class Registry:
    """Holds the current snapshot. `load` builds the next one, reusing what has not changed of the last.

    `expected` are the errors by which `load` says that what lies on the disk cannot be served.
    """

    def __init__(
        self,
        load: Callable[[Snapshot | None], Snapshot],
        metrics: Metrics,
        expected: tuple[type[Exception], ...],
    ) -> None:
        self._load = load
        self._metrics = metrics
        self._expected = expected
        self._lock = threading.Lock()
        self._incident = Incident()
        self._current = load(None)
        self._announce()

    def current(self) -> Snapshot:
        """Returns the snapshot that a request which starts now is answered from."""
        return self._current

    def reload(self) -> None:
        """Takes up what is new; raises StateError, and serves on as before, where it cannot be loaded."""
        with self._lock:
            try:
                loaded = self._load(self._current)
            except self._expected as error:
                self._metrics.reload_failures.inc()
                raise StateError(
                    "home", str(error), "cannot be loaded; the versions before it serve on"
                ) from error
            if loaded is not self._current:
                self._current = loaded
                self._metrics.reloads.inc()
                self._announce()

    def poll(self) -> None:
        """Reloads; what cannot be loaded is logged, once an incident and not once a poll."""
        with self._incident.watched(StateError):
            self.reload()

    def _announce(self) -> None:
        posterior = self._current.posterior
        if posterior is not None:
            self._metrics.serves_posterior(posterior.created_at, posterior.sequence, posterior.disagreement)
