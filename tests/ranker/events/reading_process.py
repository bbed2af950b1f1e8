"""Follows the joined rewards as a learner does, and prints each until the one of "the end".

Run as `python -m tests.ranker.events.reading_process DATABASE`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ranker.events.reader import EventReader


def follow(reader: EventReader) -> None:
    cursor = 0
    while True:
        for row in reader.joined_after(cursor, 50):
            cursor = row.sequence
            sys.stdout.write(f"{row.sequence} {row.decision.decision_id} {row.position}\n")
            if row.decision.decision_id == "the end":
                return


if __name__ == "__main__":
    with EventReader(Path(sys.argv[1])) as opened:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        follow(opened)
