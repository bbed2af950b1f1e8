"""Drives a strategy over a trial store so that the search can be stopped, resumed and run side by side."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import SearchError
from nas.trials.store import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.trial import Strategy, Trial
    from nas.trials.store import StoredTrial, TrialStore

POLL_SECONDS = 0.05
_DONE = (State.FINISHED, State.FAILED)


@dataclass(frozen=True)
class SearchSettings:
    """How many trials there are, and how many of them at once."""

    num_trials: int
    num_ahead: int = 1
    """Trials proposed and not yet told; at least the number of workers, or some have nothing to do."""

    def __post_init__(self) -> None:
        if self.num_trials < 1:
            raise SearchError("num_trials", self.num_trials, "must be at least 1")
        if self.num_ahead < 1:
            raise SearchError("num_ahead", self.num_ahead, "must be at least 1")


def run_search(
    store: TrialStore,
    strategy: Strategy,
    settings: SearchSettings,
    idle: Callable[[], object] | None = None,
    report: Callable[[int, int], None] = lambda *_: None,
) -> list[Trial]:
    """Asks, waits for results and tells them; returns the finished trials in order of their numbers.

    Trial n + num_ahead is asked for when trial n has been told, and trials are told in order, whoever was
    faster. So the proposals depend on the strategy's seed and the results alone: a search that is resumed
    asks a fresh strategy for the same trials again, and the store answers at once those that are finished.

    Args:
        store: holds the trials; workers take them from there.
        strategy: fresh, with the same seed at every resumption.
        settings: number of trials, and of those ahead.
        idle: called while a result is waited for: to evaluate here, or to look after workers.
        report: told (trials done, trials at all).

    Raises:
        SearchError: a stored trial is not the one that the strategy proposes.
    """
    finished: list[Trial] = []
    asked = 0
    for number in range(settings.num_trials):
        while asked < min(number + settings.num_ahead, settings.num_trials):
            store.propose(asked, strategy.ask())
            asked += 1
        stored = _wait(store, number, idle)
        if stored.trial is not None:
            strategy.tell(stored.trial)
            finished.append(stored.trial)
        report(number + 1, settings.num_trials)
    return finished


def _wait(store: TrialStore, number: int, idle: Callable[[], object] | None) -> StoredTrial:
    pause = threading.Event()
    while (stored := store.get(number)).state not in _DONE:
        if idle is None:
            pause.wait(POLL_SECONDS)
        else:
            idle()
    return stored
