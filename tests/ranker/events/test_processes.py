"""A killed server loses nothing it acknowledged; a reader beside it misses nothing."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ranker.errors import NotFoundError
from ranker.events.reader import EventReader
from ranker.events.sqlite_store import SqliteEventStore
from ranker.events.store import OutcomeStatus
from tests.contracts.event_store import SETTINGS, Clock, click, make_decision

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]


def start(module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"tests.ranker.events.{module}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout.readline, "")


def test_a_killed_server_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(20_261_123)
    database, acknowledged = tmp_path / "events.db", Counter[str]()
    for round_number in range(5):
        with start("writing_process", str(database), str(round_number)) as process:
            told_now = lines(process)
            for _ in range(rng.randrange(1, 400)):  # so that kills fall into every phase of a commit
                acknowledged[next(told_now).rstrip("\n")] += 1
            process.kill()
            acknowledged.update(line.rstrip("\n") for line in told_now if line.endswith("\n"))
    assert set(acknowledged.values()) == {1}
    told = [line.split(" ") for line in acknowledged]
    assert {kind for kind, _ in told} == {"decision", "joined"}
    with SqliteEventStore(database, SETTINGS, Clock()) as store:
        rows = Counter((row.decision.decision_id, row.position) for row in store.joined_after(0, 1_000_000))
        assert set(rows.values()) == {1}
        for kind, decision_id in told:
            if kind == "decision":
                assert store.find_decision(decision_id) == make_decision(decision_id)
            else:
                assert rows[decision_id, 0] == 1
        with EventReader(database) as reader:
            counts = reader.counts()
        # Written and not yet acknowledged: at most what two threads had under way at each kill.
        assert 0 <= counts.decisions - sum(kind == "decision" for kind, _ in told) <= 10
        assert 0 <= counts.joined - sum(kind == "joined" for kind, _ in told) <= 10
        again = store.record_outcomes(
            [click(f"event of {name}", name) for kind, name in told if kind == "joined"]
        )
        assert set(again.result()) == {OutcomeStatus.DUPLICATE}


def test_a_reader_in_another_process_meets_every_reward_once(tmp_path: Path) -> None:
    database, clock = tmp_path / "events.db", Clock()
    with SqliteEventStore(database, SETTINGS, clock) as store:
        with start("reading_process", str(database)) as reader:
            found = lines(reader)
            assert next(found) == "ready\n"
            for i in range(500):  # clicks and expiries by turns, each a commit while the other side reads
                clock.now = 1_000.0 + i
                store.record_decision(make_decision(f"d{i}", clock.now))
                store.record_outcomes([click(f"e{i}", f"d{i}", position=i % 3)]).result()
                store.sweep()
            clock.now = 5_000.0
            store.sweep().result()
            store.record_decision(make_decision("the end", clock.now))
            store.record_outcomes([click("last", "the end")]).result()
            met = [line.rstrip("\n") for line in found]
        assert reader.returncode == 0
        joined = store.joined_after(0, 10_000)
        assert len(joined) == 500 * 3 + 1
        assert met == [f"{row.sequence} {row.decision.decision_id} {row.position}" for row in joined]


def test_a_reader_needs_no_server_and_cannot_write(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    with pytest.raises(NotFoundError, match="start the server"):
        EventReader(database)
    with SqliteEventStore(database, SETTINGS, Clock()) as store:
        store.record_decision(make_decision())
        store.record_outcomes([click()])
    with EventReader(database) as reader:
        assert reader.find_decision("d") == make_decision()
        assert [row.position for row in reader.joined_after(0, 10)] == [0]
        assert (reader.counts().decisions, reader.counts().joined) == (1, 1)
        with SqliteEventStore(database, SETTINGS, Clock()) as store:  # a server comes and goes beside it
            store.record_outcomes([click("e2", position=1)])
        assert reader.counts().joined == 2
