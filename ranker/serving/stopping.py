"""How a process is told to end: SIGTERM or SIGINT."""

from __future__ import annotations

import signal
from threading import Event

_LOOK_SECONDS = 0.5


def stop_at_signals() -> Event:
    """Returns an event that SIGTERM and SIGINT set from now on, in place of ending the process."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def await_stop(stop: Event) -> None:
    """Waits until the event is set.

    Python runs a handler in the main thread alone, and a wait without end does not wake for a signal that the
    kernel gave to another thread.
    """
    while not stop.wait(_LOOK_SECONDS):
        pass
