"""What the writer does when it is slow, when the disk fails, and when the code does."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ranker.errors import OverloadedError, StateError
from ranker.events import schema, sqlite_store
from ranker.events.settings import Durability
from ranker.events.sqlite_store import SqliteEventStore
from ranker.events.store import OutcomeStatus
from ranker.events.transaction import Transaction
from tests.contracts.event_store import SETTINGS, Clock, click, make_decision, rewards

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from ranker.events.store import RecordedDecision
    from ranker.slate import Decision


class Gate:
    """Holds the writer's thread up inside the transaction of the decision "stall"."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def insert(
        self, transaction: Transaction, decision: Decision, *records: bytes | None
    ) -> RecordedDecision:
        if decision.decision_id == "stall":
            self.reached.set()
            assert self.opened.wait(60)
        return _INSERT(transaction, decision, *records)

    def stall(self, store: SqliteEventStore) -> Future[RecordedDecision]:
        future = store.record_decision(make_decision("stall"))
        assert self.reached.wait(60)
        return future


_INSERT = Transaction.insert_decision


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(Transaction, "insert_decision", lambda *args: gate.insert(*args))
    return gate


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.mark.parametrize("durability", list(Durability))
def test_a_full_queue_refuses_and_loses_nothing(database: Path, gate: Gate, durability: Durability) -> None:
    settings = replace(SETTINGS, durability=durability, queue_capacity=2, patience_seconds=0.0)
    with SqliteEventStore(database, settings) as store:
        futures = [gate.stall(store)]
        futures += [store.record_decision(make_decision(name)) for name in "ab"]
        with pytest.raises(OverloadedError, match="retry later"):
            store.record_decision(make_decision("c"))
        assert (store.counts().queued, store.counts().dropped) == (2, 1)
        gate.opened.set()
        assert all(future.result().is_new for future in futures)
        assert store.counts().queued == 0
        assert store.record_decision(make_decision("c")).result().is_new


def test_an_outcome_received_in_time_is_joined_however_late_it_is_written(database: Path, gate: Gate) -> None:
    clock = Clock()
    settings = replace(SETTINGS, batch_limit=1, sweep_seconds=1e-9)  # a sweep in each transaction
    with SqliteEventStore(database, settings, clock) as store:
        store.record_decision(make_decision("d", num_positions=2)).result()
        gate.stall(store)
        store.record_outcomes(
            [click("e0", "nowhere")]
        )  # a transaction of its own, before the one in question
        in_time = store.record_outcomes([click("e1", position=0)])
        clock.now = 2_000.0
        too_late = store.record_outcomes([click("e2", position=1)])
        gate.opened.set()
        assert in_time.result() == [OutcomeStatus.JOINED]
        assert too_late.result() == [OutcomeStatus.LATE]


def test_the_sweep_comes_by_itself_after_a_restart(database: Path) -> None:
    clock = Clock()
    with SqliteEventStore(database, SETTINGS, clock) as store:
        store.record_decision(make_decision())
    clock.now = 2_000.0
    with SqliteEventStore(database, replace(SETTINGS, sweep_seconds=0.01), clock) as store:
        wait_until(lambda: store.counts().expired == 3)
        assert [expired for *_, expired in rewards(store)] == [True] * 3


def test_a_second_server_on_the_same_file_is_told(database: Path) -> None:
    with (
        SqliteEventStore(database, SETTINGS) as store,
        pytest.raises(StateError, match="another server writes to it"),
    ):
        SqliteEventStore(database, SETTINGS)
    with SqliteEventStore(database, SETTINGS) as store:
        store.check()


def test_a_file_that_is_no_database_is_told_and_let_go(database: Path) -> None:
    database.write_bytes(b"not a database, but long enough to look like one" * 100)
    for _ in range(2):
        with pytest.raises(StateError, match="cannot be opened"):
            SqliteEventStore(database, SETTINGS)


def test_a_newer_layout_is_not_touched(database: Path) -> None:
    SqliteEventStore(database, SETTINGS).close()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(StateError, match="layout"):
        SqliteEventStore(database, SETTINGS)


def test_a_full_disk_fails_the_callers_and_mends(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[sqlite3.Connection] = []

    def connect(path: Path, durability: Durability) -> sqlite3.Connection:
        connections.append(schema.connect_writer(path, durability))
        return connections[0]

    monkeypatch.setattr(sqlite_store, "connect_writer", connect)
    with SqliteEventStore(database, replace(SETTINGS, sweep_seconds=0.01)) as store:
        store.record_decision(make_decision("before")).result()
        connections[0].execute("PRAGMA max_page_count = 1")  # the disk is as full as it gets
        big = replace(make_decision("lost"), candidate_ids=tuple(f"ad-{i}" for i in range(20_000)))
        with pytest.raises(StateError, match="full"):
            store.record_decision(big).result()
        assert store.counts().failed == 1
        assert store.find_decision("lost") is None
        connections[0].execute("PRAGMA max_page_count = 1000000")
        wait_until(lambda: is_well(store))  # by the sweep's own attempt: no traffic is needed
        assert store.record_decision(big).result().is_new
        assert store.counts().decisions == 2


def test_a_foreign_lock_fails_the_callers_and_mends(database: Path) -> None:
    with SqliteEventStore(database, SETTINGS) as store, closing(sqlite3.connect(database)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        future = store.record_decision(make_decision())
        report = store.record_outcomes([click()])
        with pytest.raises(StateError, match="locked"):
            future.result()
        with pytest.raises(StateError, match="locked"):
            report.result()
        with pytest.raises(StateError, match="not being stored"):
            store.check()
        shell.rollback()
        assert store.record_decision(make_decision()).result().is_new
        store.check()


def test_a_refused_record_takes_its_transaction_along_and_no_more(database: Path, gate: Gate) -> None:
    with SqliteEventStore(database, SETTINGS) as store, closing(sqlite3.connect(database)) as shell:
        shell.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON decisions WHEN NEW.decision_id = 'poison' "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        gate.stall(store)
        together = [store.record_decision(make_decision(name)) for name in ("good", "poison")]
        gate.opened.set()
        for future in together:
            with pytest.raises(StateError, match="refused"):
                future.result()
        assert store.record_decision(make_decision("next")).result().is_new
        assert (store.find_decision("good"), store.counts().failed) == (None, 2)


def test_an_idle_store_is_well_again_only_once_it_could_write(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts, write_tallies = [], Transaction.write_tallies

    def count_attempt(transaction: Transaction) -> None:
        attempts.append(transaction)
        write_tallies(transaction)

    with (
        SqliteEventStore(database, replace(SETTINGS, sweep_seconds=0.005)) as store,
        closing(sqlite3.connect(database)) as shell,
    ):
        store.record_decision(make_decision("a")).result()
        monkeypatch.setattr(Transaction, "write_tallies", count_attempt)
        shell.execute("CREATE TRIGGER full BEFORE UPDATE ON tallies BEGIN SELECT RAISE(ABORT, 'full'); END")
        with pytest.raises(StateError, match="full"):
            store.record_decision(make_decision("b")).result()
        wait_until(lambda: len(attempts) > 5)  # without traffic
        assert not is_well(store)
        shell.execute("DROP TRIGGER full")
        wait_until(lambda: is_well(store))
        (version,) = shell.execute("PRAGMA data_version").fetchone()
        del attempts[:]
        wait_until(lambda: len(attempts) > 5)
        assert shell.execute("PRAGMA data_version").fetchone() == (version,)  # nothing to do, nothing written


class FailingFlush(sqlite3.Connection):
    """Commits nothing of a transaction that holds the decision "broken"."""

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        if (
            sql == "COMMIT"
            and super().execute("SELECT 1 FROM decisions WHERE decision_id = 'broken'").fetchone()
        ):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return super().execute(sql, *parameters)  # type: ignore[arg-type]


def test_after_a_failed_flush_nothing_more_is_written(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=FailingFlush))
    store = SqliteEventStore(database, SETTINGS)
    store.record_decision(make_decision("fine")).result()
    with pytest.raises(StateError, match="disk I/O error"):
        store.record_decision(make_decision("broken")).result()
    with pytest.raises(StateError, match="disk I/O error"):
        store.check()
    for _ in range(3):
        with pytest.raises(StateError):
            store.record_decision(make_decision("after")).result()
    assert store.find_decision("fine") is not None  # reading goes on
    store.close()
    with SqliteEventStore(database, SETTINGS) as store:
        assert store.find_decision("broken") is None
        assert store.find_decision("fine") is not None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_ours_leaves_no_caller_waiting(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    store = SqliteEventStore(database, SETTINGS)
    monkeypatch.setattr(Transaction, "insert_decision", fail)
    for _ in range(3):
        with pytest.raises(StateError):  # at once, or from the future, as the thread ends
            store.record_decision(make_decision()).result()
    store.close()
    with pytest.raises(StateError, match="stopped"):
        store.check()
    SqliteEventStore(database, SETTINGS).close()  # the file was let go


def test_a_damaged_record_fails_its_own_caller_alone(database: Path) -> None:
    with SqliteEventStore(database, SETTINGS) as store:
        store.record_decision(make_decision("damaged")).result()
        with closing(sqlite3.connect(database)) as shell, shell:
            shell.execute("UPDATE decision_records SET record = x'ff00'")
        retry = store.record_decision(make_decision("damaged"))
        other = store.record_decision(make_decision("other"))
        with pytest.raises(StateError, match="reads version"):
            retry.result()
        assert other.result().is_new
        store.check()


def wait_until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # for as long as the test may take
        time.sleep(0.002)


def is_well(store: SqliteEventStore) -> bool:
    try:
        store.check()
    except StateError:
        return False
    return True
