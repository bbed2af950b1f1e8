"""Writes decisions and outcomes until it is killed; prints what it was told is stored.

Run as `python -m tests.ranker.events.writing_process DATABASE ROUND`.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from ranker.events.sqlite_store import SqliteEventStore
from tests.contracts.event_store import Clock, click, make_decision


def write(store: SqliteEventStore, name: str) -> None:
    number = 0
    while True:
        decision_id = f"{name}-{number}"
        if store.record_decision(make_decision(decision_id)).result().is_new:
            acknowledge(f"decision {decision_id}")
        (status,) = store.record_outcomes([click(f"event of {decision_id}", decision_id)]).result()
        acknowledge(f"{status} {decision_id}")
        number += 1


def acknowledge(line: str) -> None:
    sys.stdout.write(line + "\n")  # one write a line: a kill leaves no half of one in between
    sys.stdout.flush()


if __name__ == "__main__":
    opened = SqliteEventStore(Path(sys.argv[1]), clock=Clock())
    for i in range(2):
        threading.Thread(target=write, args=(opened, f"{sys.argv[2]}-{i}")).start()
