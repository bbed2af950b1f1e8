"""Searches that are resumed, run side by side, or lose their workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nas.errors import SearchError
from nas.space import Architecture, ChoiceBlock, SearchSpace
from nas.strategies.regularized_evolution import RegularizedEvolution
from nas.trial import Trial
from nas.trials.processes import WorkerProcesses
from nas.trials.search import SearchSettings, run_search
from nas.trials.store import LeaseSettings, State, TrialStore
from nas.trials.worker import work_once
from tests.nas.trials.evaluations import broken, slow_worth, worth

if TYPE_CHECKING:
    from pathlib import Path

SPACE = SearchSpace(tuple(ChoiceBlock(f"b{i}", ("a", "b", "c")) for i in range(4)))
WORKER = """
import sys, time
from nas.trial import Trial
from nas.trials.store import LeaseSettings, TrialStore
from nas.trials.worker import work_once

def slow(architecture):
    print("began", flush=True)
    time.sleep(float(sys.argv[3]))
    return Trial(architecture, -1.0)

with TrialStore(sys.argv[1], "s", LeaseSettings(float(sys.argv[2]))) as store:
    work_once(store, "slow", slow)
    print("ended", flush=True)
"""


def strategy() -> RegularizedEvolution:
    return RegularizedEvolution(SPACE, np.random.default_rng(1), 6, 3)


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder}/trials.db"


def searched(store: TrialStore, num_trials: int, num_ahead: int = 3) -> list[Trial]:
    settings = SearchSettings(num_trials, num_ahead)
    return run_search(store, strategy(), settings, lambda: work_once(store, "here", worth))


def slow_worker(url: str, lease_seconds: float, work_seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(lease_seconds), str(work_seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    return process


def take_over(store: TrialStore) -> None:
    deadline = time.monotonic() + 60.0
    while not work_once(store, "heir", worth):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_resumed_search_proposes_what_the_whole_one_does(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    with TrialStore(url_in(tmp_path / "whole"), "s") as store:
        store.describe({})
        whole = searched(store, 40)
    with TrialStore(url_in(tmp_path), "s") as store:
        store.describe({})
        assert searched(store, 17) == whole[:17]
    with TrialStore(url_in(tmp_path), "s") as store:
        assert searched(store, 40) == whole
        assert store.counts()[State.FINISHED] == 40
        assert all(store.get(number).attempt == 1 for number in range(40))


def test_a_resumed_search_with_another_seed_is_refused(tmp_path: Path) -> None:
    with TrialStore(url_in(tmp_path), "s") as store:
        store.describe({})
        searched(store, 5)
        other = RegularizedEvolution(SPACE, np.random.default_rng(2), 6, 3)
        with pytest.raises(SearchError, match=r"trial\[0\] = .*begun by another search"):
            run_search(store, other, SearchSettings(5, 3))


def test_a_failed_trial_is_not_told(tmp_path: Path) -> None:
    def picky(architecture: Architecture) -> Trial:
        if architecture[0] == 0:
            raise SearchError("architecture", architecture, "begins with 0")
        return worth(architecture)

    with TrialStore(url_in(tmp_path), "s", LeaseSettings(60.0, 1)) as store:
        store.describe({})
        done = run_search(store, strategy(), SearchSettings(20), lambda: work_once(store, "here", picky))
        counts = store.counts()
        assert 0 < counts[State.FAILED] == 20 - len(done)
        assert all(trial.architecture[0] for trial in done)


def test_the_trial_of_a_killed_worker_is_taken_over_and_counted_once(tmp_path: Path) -> None:
    with TrialStore(url_in(tmp_path), "s", LeaseSettings(0.5)) as store:
        store.describe({})
        store.propose(0, (0, 1, 2, 0))
        worker = slow_worker(url_in(tmp_path), 0.5, 600.0)
        time.sleep(1.0)
        assert store.claim("early") is None  # its heartbeats hold the lease
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
        take_over(store)
        assert searched_value(store) == (2, 3.0)
        assert store.counts()[State.FINISHED] == 1


def test_a_worker_that_was_frozen_past_its_lease_comes_too_late(tmp_path: Path) -> None:
    with TrialStore(url_in(tmp_path), "s", LeaseSettings(0.5)) as store:
        store.describe({})
        store.propose(0, (0, 1, 2, 0))
        worker = slow_worker(url_in(tmp_path), 0.5, 0.2)
        os.kill(worker.pid, signal.SIGSTOP)
        take_over(store)
        os.kill(worker.pid, signal.SIGCONT)
        assert worker.communicate(timeout=60)[0] == "ended\n"
        # Its result would have been −1.
        assert searched_value(store) == (2, 3.0)


def searched_value(store: TrialStore) -> tuple[int, float]:
    found = store.get(0)
    assert found.trial is not None
    return found.attempt, found.trial.quality


def test_processes_that_die_are_replaced_and_the_search_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with TrialStore(url_in(tmp_path / "one"), "s") as store:
        store.describe({})
        alone = searched(store, 12, 4)
    url, lease = url_in(tmp_path), LeaseSettings(60.0)
    with TrialStore(url, "s", lease) as store, WorkerProcesses(url, "s", lease, slow_worth, 2) as workers:
        store.describe({})
        killed: list[int] = []

        def tend() -> None:
            if not killed and store.counts()[State.LEASED] == 2:
                killed.append(workers.pids[0])
                os.kill(killed[0], signal.SIGKILL)
            workers.tend()

        together = run_search(store, strategy(), SearchSettings(12, 4), tend)
    assert killed
    assert together == alone


def test_workers_that_cannot_live_end_the_search(tmp_path: Path) -> None:
    url, lease = url_in(tmp_path), LeaseSettings(60.0, 5)
    with (
        TrialStore(url, "s", lease) as store,
        WorkerProcesses(url, "s", lease, broken, 1, max_deaths=1) as workers,
    ):
        store.describe({})
        with pytest.raises(SearchError, match=r"worker\.exitcode = 1: too many"):
            run_search(store, strategy(), SearchSettings(2), workers.tend)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SearchSettings(0), "num_trials = 0"),
        (lambda: SearchSettings(1, 0), "num_ahead = 0"),
        (lambda: WorkerProcesses("sqlite://", "s", LeaseSettings(), worth, 0), "num_workers = 0"),
    ],
)
def test_a_wrong_setting_is_named(make: object, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        make()  # type: ignore[operator]
