"""The PostgreSQL store keeps the contract on a real server, and outlives its death."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pyarrow.parquet as parquet
import pytest

from ranker.errors import InvalidInputError, StateError
from ranker.events.export import export_parquet
from ranker.events.postgres import make_engine, migrate, parse_url
from ranker.events.postgres_session import PostgresSession
from ranker.events.postgres_store import PostgresEventStore
from ranker.events.reader import EventReader
from ranker.events.settings import Durability
from ranker.events.store import OutcomeStatus
from tests.contracts.event_age import AgeContract
from tests.contracts.event_store import SETTINGS, Clock, EventStoreContract, Home, click, make_decision

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.postgres_cluster import PostgresCluster
    from ranker.events.settings import EventSettings


class TestPostgresStore(EventStoreContract, AgeContract):
    @pytest.fixture
    def home(self, url: str) -> Home:
        def open_store(clock: Clock, settings: EventSettings = SETTINGS) -> PostgresEventStore:
            return PostgresEventStore(url, settings, clock)

        return open_store


def test_two_servers_share_a_database_and_a_cursor_meets_every_reward(url: str) -> None:
    clock = Clock()
    with PostgresEventStore(url, SETTINGS, clock) as one, PostgresEventStore(url, SETTINGS, clock) as two:
        waiting = []
        for i in range(60):
            store = (one, two)[i % 2]
            store.record_decision(make_decision(f"d{i}", num_positions=1))
            waiting.append(store.record_outcomes([click(f"e{i}", f"d{i}")]))
        cursor, met = 0, []
        while not all(future.done() for future in waiting) or one.joined_after(cursor, 1):
            for row in one.joined_after(cursor, 7):
                cursor = row.sequence
                met.append(row.decision.decision_id)
        assert sorted(met) == sorted(f"d{i}" for i in range(60))
        assert two.record_decision(make_decision("d0")).result().is_new is False


def test_a_crashed_database_fails_the_callers_loses_nothing_and_mends(
    cluster: PostgresCluster, url: str
) -> None:
    with PostgresEventStore(url, SETTINGS, Clock()) as store:
        store.record_decision(make_decision("before")).result()
        assert store.record_outcomes([click("e", "before")]).result() == [OutcomeStatus.JOINED]
        cluster.crash()
        with pytest.raises(StateError, match="not stored"):
            store.record_decision(make_decision("meanwhile")).result()
        with pytest.raises(StateError):
            store.check()
        cluster.start()
        assert store.record_decision(make_decision("meanwhile")).result().is_new
        assert store.find_decision("before") == make_decision("before")
        assert store.record_outcomes([click("e", "before")]).result() == [OutcomeStatus.DUPLICATE]
        store.check()
    with EventReader(url) as reader:
        assert (reader.counts().decisions, reader.counts().joined, reader.counts().duplicate) == (2, 1, 1)


def test_a_crash_between_two_calls_fails_neither(cluster: PostgresCluster, url: str) -> None:
    with PostgresEventStore(url, SETTINGS, Clock()) as store:
        store.record_decision(make_decision()).result()
        assert store.find_decision("d") is not None
        cluster.crash()
        cluster.start()
        assert store.find_decision("d") == make_decision()
        assert store.record_decision(make_decision("next")).result().is_new


def test_a_writer_that_freezes_with_the_lock_stops_the_others_for_seconds_only(url: str) -> None:
    frozen = PostgresSession(url, Durability.COMMITTED)
    frozen.begin()
    with PostgresEventStore(url, SETTINGS, Clock()) as store:
        assert store.record_decision(make_decision()).result(timeout=30).is_new
    with pytest.raises(psycopg.Error):  # what it wakes up to: nothing of its transaction can be committed
        frozen.execute("SELECT 1")
    frozen.close()


@pytest.mark.parametrize(
    ("durability", "level"),
    [(Durability.COMMITTED, "local"), (Durability.QUEUED, "local"), (Durability.SYNCED, "on")],
)
def test_the_durability_reaches_the_session(url: str, durability: Durability, level: str) -> None:
    session = PostgresSession(url, durability)
    session.begin()
    assert session.execute("SHOW synchronous_commit").fetchone() == (level,)
    session.close()


def test_the_options_of_the_url_are_kept(url: str) -> None:
    session = PostgresSession(f"{url}&options=-c%20application_name%3Dads", Durability.COMMITTED)
    session.begin()
    assert session.execute("SHOW application_name").fetchone() == ("ads",)
    session.close()


def test_reading_while_it_is_closed_ends_in_our_error_or_an_answer(url: str) -> None:
    for _ in range(5):
        reader = EventReader(url)
        with ThreadPoolExecutor(4) as threads:
            reads = [threads.submit(reader.joined_after, 0, 1) for _ in range(40)]
            reader.close()
        for read in reads:
            assert read.exception() is None or isinstance(read.exception(), StateError)


def test_each_server_counts_what_it_did_and_the_reader_all(url: str) -> None:
    with PostgresEventStore(url, SETTINGS) as one, PostgresEventStore(url, SETTINGS) as two:
        one.record_decision(make_decision("a")).result()
        two.record_decision(make_decision("b")).result()
        assert (one.counts().decisions, two.counts().decisions) == (1, 1)
        with EventReader(url) as reader:
            assert reader.counts().decisions == 2


def test_an_export_holds_what_was_decided_and_seen(url: str, tmp_path: Path) -> None:
    with PostgresEventStore(url, SETTINGS, Clock()) as store:
        store.record_decision(make_decision())
        store.record_outcomes([click(position=1)]).result()
        summary = export_parquet(url, tmp_path)
    assert (summary.decisions, summary.positions, summary.joined, summary.outcomes) == (1, 3, 1, 1)
    assert parquet.read_table(tmp_path / "decisions")["reward"].to_pylist() == [None, 1.0, None]


def test_a_database_without_tables_is_told_what_to_run(empty_url: str) -> None:
    with pytest.raises(StateError, match="has no tables: run `adranker events migrate`"):
        PostgresEventStore(empty_url)
    with pytest.raises(StateError, match="has no tables"):
        EventReader(empty_url)


def set_layout(url: str, layout: str) -> None:
    with make_engine(url, "AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("UPDATE adranker_events_version SET version_num = %s", (layout,))


@pytest.mark.parametrize("layout", ["99", "abc"])
def test_a_newer_layout_is_neither_used_nor_migrated(url: str, layout: str) -> None:
    set_layout(url, layout)
    for use in (PostgresEventStore, EventReader, migrate):
        with pytest.raises(StateError, match=f"has layout {layout}, this release knows 3 and older"):
            use(url)


def test_an_older_layout_is_told_what_to_run(url: str) -> None:
    set_layout(url, "0")
    with pytest.raises(StateError, match="has layout 0, this release 3: run `adranker events migrate`"):
        PostgresEventStore(url)


def test_migrating_twice_changes_nothing(url: str) -> None:
    with PostgresEventStore(url, SETTINGS, Clock()) as store:
        store.record_decision(make_decision()).result()
    assert migrate(url) == "3"
    with EventReader(url) as reader:
        assert reader.find_decision("d") == make_decision()


def test_a_nul_is_refused_before_it_reaches_others(url: str) -> None:
    with PostgresEventStore(url, SETTINGS, Clock()) as store:
        with pytest.raises(InvalidInputError, match="decision_id"):
            store.record_decision(make_decision("a\0b"))
        with pytest.raises(InvalidInputError, match="event_id"):
            store.record_outcomes([click("a\0b")])
        assert store.record_decision(make_decision()).result().is_new


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("nonsense", "must look like"),
        ("postgresql://u:secret@h:port/d", "must look like"),
        ("mysql://u:secret@h/d", "must start with postgresql"),
        ("postgresql://u:secret@h", "must name a database"),
    ],
)
def test_a_wrong_url_is_named_without_its_password(bad: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        parse_url(bad)
    assert "secret" not in str(caught.value)


def test_an_unreachable_database_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be used") as caught:
        PostgresEventStore(f"postgresql://u:secret@/d?host={tmp_path}")
    assert "secret" not in str(caught.value)
