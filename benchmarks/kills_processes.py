"""Processes that are killed and come back, and callers that note every acknowledgement."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import grpc
import numpy as np

from ranker.client import RankerClient
from ranker.errors import OverloadedError, StateError
from ranker.events.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from benchmarks.postgres_cluster import PostgresCluster
    from ranker.serving.answer_conversion import Answer
    from ranker.slate import RankRequest

T = TypeVar("T")
RESTART_SECONDS = 0.2
CALL_SECONDS = 5.0


class Supervised:
    """`adranker …` in a process that is started again whenever it has ended, until closed."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = [sys.executable, "-m", "ranker.cli", *arguments]
        self._environment = {**os.environ, **environment}
        self._log = log.open("a")
        self._closing = threading.Event()
        self.resume()

    def kill(self) -> None:
        """Sends SIGKILL."""
        self._process.kill()

    def close(self) -> None:
        """Ends it for good, as an operator does."""
        self.pause()
        self._log.close()

    def pause(self) -> None:
        """Ends it until `resume`."""
        self._closing.set()
        self._watcher.join()
        self._process.terminate()
        self._process.wait()

    def resume(self) -> None:
        """Starts it again."""
        self._closing.clear()
        self._process = self._started()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def run_once(self, *more: str) -> None:
        """Runs the command to its end with more arguments, while it is paused."""
        subprocess.run([*self._command, *more], env=self._environment, stdout=self._log, check=True)  # noqa: S603

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 (our own program)
            self._command, env=self._environment, stdout=self._log, stderr=self._log, text=True
        )

    def _watch(self) -> None:
        while not self._closing.wait(0.05):
            if self._process.poll() is not None and not self._closing.wait(RESTART_SECONDS):
                self._process = self._started()


class SupervisedDatabase:
    """A PostgreSQL that is started again after each kill."""

    def __init__(self, cluster: PostgresCluster) -> None:
        self._cluster = cluster
        self._starter: threading.Thread | None = None

    def kill(self) -> None:
        """Sends SIGKILL; where it is just being started, after that."""
        self.wait()
        self._cluster.kill()
        self._starter = threading.Thread(target=self._cluster.start)
        self._starter.start()

    def wait(self) -> None:
        """Waits until it runs."""
        if self._starter is not None:
            self._starter.join()


@dataclass
class Acknowledged:
    """What the callers were told is stored."""

    answers: dict[str, Answer] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    num_failed_calls: int = 0
    changed_answers: list[str] = field(default_factory=list)
    """Decisions that were answered with another slate when they were asked for again."""


class Caller:
    """Ranks and reports in turn, each call again under the same id until it is answered."""

    def __init__(
        self, name: str, address: str, make: Callable[[str], RankRequest], rng: np.random.Generator
    ) -> None:
        self.seen = Acknowledged()
        self._name, self._address, self._make, self._rng = name, address, make, rng
        self._client = RankerClient(address, CALL_SECONDS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Waits for the call under way."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            self._serve(f"{self._name}-{number}")
            number += 1
        self._client.close()

    def _serve(self, name: str) -> None:
        request = self._make(name)
        answer = self._until_answered(lambda client: client.rank(request))
        if answer is None:
            return
        self.seen.answers[name] = answer
        if self._rng.random() < 0.1:  # a caller that has lost the answer
            again = self._until_answered(lambda client: client.rank(request))
            if again is not None and again.slate != answer.slate:
                self.seen.changed_answers.append(name)
        clicked = np.flatnonzero(self._rng.random(len(answer.slate)) < 0.4)
        outcomes = [
            Outcome(f"{name}-{j}", name, int(j), "click", float(self._rng.random() < 0.7), time.time())
            for j in clicked
        ]
        for _ in range(1 + int(self._rng.random() < 0.2)):  # some are reported twice
            if outcomes and self._until_answered(lambda client: client.report(outcomes)) is not None:
                self.seen.outcomes.update({each.event_id: each for each in outcomes})

    def _until_answered(self, call: Callable[[RankerClient], T]) -> T | None:
        while not self._stop.is_set():
            with suppress(StateError, OverloadedError, grpc.RpcError):
                return call(self._client)
            self.seen.num_failed_calls += 1
            time.sleep(0.05)
            # A fresh connection: an old one waits longer after each failure before it tries again.
            self._client.close()
            self._client = RankerClient(self._address, CALL_SECONDS)
        return None


def together(callers: list[Caller]) -> Acknowledged:
    """Returns what all callers were told."""
    whole = Acknowledged()
    for caller in callers:
        whole.answers |= caller.seen.answers
        whole.outcomes |= caller.seen.outcomes
        whole.num_failed_calls += caller.seen.num_failed_calls
        whole.changed_answers += caller.seen.changed_answers
    return whole
