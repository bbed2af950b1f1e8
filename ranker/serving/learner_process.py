"""The server's own learner: a child process, started again where it dies."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.home import Home
    from ranker.serving.metrics import Metrics

logger = logging.getLogger(__name__)

RESTART_SECONDS = 5.0


class LearnerProcess:
    """Runs `adranker learn` on a home until closed."""

    def __init__(self, home: Home, options: Sequence[str], metrics: Metrics) -> None:
        arguments = ["--home", str(home.root), *options, "--parent", str(os.getpid())]
        self._command = [sys.executable, "-m", "ranker.cli", "learn", *arguments]
        # Not an argument: everyone on the machine may read those, and the URL may hold a password.
        self._environment = dict(os.environ)
        if home.events_url:
            self._environment["ADRANKER_EVENTS_URL"] = home.events_url
        self._metrics = metrics
        self._stop = threading.Event()
        self._process = self._started()
        self._watcher = threading.Thread(target=self._watch, name="learner-watch")
        self._watcher.start()

    def close(self) -> None:
        """Lets it finish its batch, then waits for its end."""
        self._stop.set()
        self._watcher.join()  # before the end of the process, which it would take for a crash
        self._process.terminate()
        self._process.wait()
        self._metrics.learner_up.set(0)

    def _started(self) -> subprocess.Popen[bytes]:
        # Its own words go to our standard error: standard output is the server's ready line.
        process = subprocess.Popen(  # noqa: S603 (our own program)
            self._command, stdout=sys.stderr.fileno(), env=self._environment
        )
        self._metrics.learner_up.set(1)
        return process

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            code = self._process.poll()
            if code is not None:
                self._metrics.learner_up.set(0)
                logger.error(
                    "the learner ended with code %s; starting it again in %s s", code, RESTART_SECONDS
                )
                if not self._stop.wait(RESTART_SECONDS):
                    self._process = self._started()
