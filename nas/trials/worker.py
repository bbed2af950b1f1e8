"""Workers: claim a trial, keep its lease while it is evaluated, store the result."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nas.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nas.space import Architecture
    from nas.trial import Trial
    from nas.trials.store import Claim, TrialStore

IDLE_SECONDS = 0.05
_BEATS_A_LEASE = 4


def work_once(store: TrialStore, owner: str, evaluate: Callable[[Architecture], Trial]) -> bool:
    """Evaluates one trial; False where there was none to claim.

    What the evaluation refuses (SearchError) is noted and tried again as often as the lease allows. Any other
    error ends the worker: its lease runs out, and someone else takes the trial.
    """
    claim = store.claim(owner)
    if claim is None:
        return False
    try:
        with _heartbeat(store, claim):
            trial = evaluate(claim.architecture)
    except SearchError as error:
        store.fail(claim, str(error))
    else:
        store.finish(claim, trial)
    return True


def work_until(
    store: TrialStore, owner: str, evaluate: Callable[[Architecture], Trial], stop: Callable[[], bool]
) -> None:
    """Evaluates trials until told to stop, looked at between two trials."""
    pause = threading.Event()
    while not stop():
        if not work_once(store, owner, evaluate):
            pause.wait(IDLE_SECONDS)


@contextmanager
def _heartbeat(store: TrialStore, claim: Claim) -> Iterator[None]:
    """Prolongs the lease from a thread, until the block ends or the lease is lost."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(store.lease.seconds / _BEATS_A_LEASE):
            if not store.heartbeat(claim):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
