"""Worker processes of one machine, replaced when they die."""

from __future__ import annotations

import multiprocessing
import os
import threading
from typing import TYPE_CHECKING, Self

from nas.errors import SearchError
from nas.trials.store import TrialStore
from nas.trials.worker import work_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess

    from nas.space import Architecture
    from nas.trial import Trial
    from nas.trials.store import LeaseSettings

POLL_SECONDS = 0.05


class WorkerProcesses:
    """Processes that evaluate trials of a store; `tend` replaces those that died, within limits.

    A process that is seen dead loses its leases at once; that of a machine that is gone loses them when they
    expire. Workers end with their parent.
    """

    def __init__(
        self,
        url: str,
        search_id: str,
        lease: LeaseSettings,
        evaluate: Callable[[Architecture], Trial],
        num_workers: int,
        max_deaths: int = 10,
    ) -> None:  # six arguments: each process needs them all
        if num_workers < 1:
            raise SearchError("num_workers", num_workers, "must be at least 1")
        self._store = TrialStore(url, search_id, lease)
        self._arguments = (url, search_id, lease, evaluate, os.getpid())
        self._context = multiprocessing.get_context("spawn")
        self._deaths_left = max_deaths
        self._num_workers = num_workers
        self._processes: list[SpawnProcess] = []

    def __enter__(self) -> Self:
        self._processes = [self._start() for _ in range(self._num_workers)]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        self._store.__exit__()

    @property
    def pids(self) -> list[int]:
        """The processes that are meant to be alive."""
        return [process.pid for process in self._processes if process.pid is not None]

    def tend(self) -> None:
        """Waits a moment and replaces who has died.

        Raises:
            SearchError: too many have.
        """
        threading.Event().wait(POLL_SECONDS)
        for index, process in enumerate(self._processes):
            if process.is_alive():
                continue
            if self._deaths_left == 0:
                raise SearchError("worker.exitcode", process.exitcode, "too many workers died")
            self._deaths_left -= 1
            self._store.release(_owner(process.pid))
            self._processes[index] = self._start()

    def _start(self) -> SpawnProcess:
        process = self._context.Process(target=_work, args=self._arguments, daemon=True)
        process.start()
        return process


def _work(
    url: str, search_id: str, lease: LeaseSettings, evaluate: Callable[[Architecture], Trial], parent: int
) -> None:
    """Runs in the process."""
    with TrialStore(url, search_id, lease) as store:
        work_until(store, _owner(os.getpid()), evaluate, lambda: os.getppid() != parent)


def _owner(pid: int | None) -> str:
    return f"{os.uname().nodename}:{pid}"
