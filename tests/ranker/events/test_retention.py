"""What an export has written may be deleted, and only that."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from ranker.errors import InvalidInputError
from ranker.events.export import export_parquet
from ranker.events.postgres_store import PostgresEventStore
from ranker.events.settings import EventSettings
from ranker.events.sqlite_store import SqliteEventStore
from ranker.events.store import EventStore
from tests.contracts.event_store import EVERYTHING, SETTINGS, Clock, click, make_decision
from tests.ranker.events.test_request_codec import REQUEST

KEEP = replace(SETTINGS, keep_requests_seconds=20.0, keep_decisions_seconds=20.0)


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return tmp_path / "events.db" if request.param == "sqlite" else request.getfixturevalue("url")


def opened(location: Path | str, clock: Clock, settings: EventSettings = KEEP) -> EventStore:
    if isinstance(location, Path):
        return SqliteEventStore(location, settings, clock)
    return PostgresEventStore(location, settings, clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def recorded(store: EventStore, *names: str) -> None:
    for name in names:
        store.record_decision(make_decision(name), REQUEST)
        store.record_outcomes([click(f"e of {name}", name)])
    store.sweep().result()


def held(store: EventStore, *names: str) -> list[str]:
    return [name for name in names if store.find_decision(name) is not None]


def test_an_export_lets_go_of_what_it_has_written(location: Path | str, clock: Clock, tmp_path: Path) -> None:
    store = opened(location, clock)
    recorded(store, "a", "b")
    clock.now = 2_000.0
    recorded(store)
    export_parquet(location, tmp_path / "one")
    recorded(store, "c")
    assert store.retire(EVERYTHING).result() == 4
    assert held(store, "a", "b", "c") == ["c"]
    assert parquet.read_table(tmp_path / "one" / "requests").num_rows == 2
    store.close()


def test_part_of_the_time_is_no_export(location: Path | str, clock: Clock, tmp_path: Path) -> None:
    store = opened(location, clock)
    recorded(store, "a", "b")
    clock.now = 2_000.0
    recorded(store)
    export_parquet(location, tmp_path / "out", created_from=0.0)
    assert store.retire(EVERYTHING).result() == 0
    store.close()


def test_a_late_outcome_waits_for_the_next_export(location: Path | str, clock: Clock, tmp_path: Path) -> None:
    store = opened(location, clock)
    recorded(store, "a", "b")
    clock.now = 2_000.0
    recorded(store)
    export_parquet(location, tmp_path / "one")
    store.record_outcomes([click("late", "a", position=1)]).result()
    recorded(store, "c")
    assert store.retire(EVERYTHING).result() == 2  # the requests alone
    assert held(store, "a", "b") == ["a", "b"]
    export_parquet(location, tmp_path / "two")
    assert store.retire(EVERYTHING).result() == 2
    assert held(store, "a", "b", "c") == ["c"]
    store.close()


def test_ids_that_come_again_are_not_taken_for_exported_ones(
    location: Path | str, clock: Clock, tmp_path: Path
) -> None:
    store = opened(location, clock)
    recorded(store, "a", "b")
    clock.now = 2_000.0
    recorded(store)
    export_parquet(location, tmp_path / "one")
    assert store.retire(EVERYTHING).result() == 2
    assert held(store, "a", "b") == ["b"]  # the newest: its number would be given to the next
    recorded(store, "c")
    clock.now = 3_000.0
    recorded(store)
    assert store.retire(EVERYTHING).result() == 2
    assert held(store, "b", "c") == ["c"]  # never exported
    store.close()


@pytest.mark.parametrize("kept", [{}, {"keep_decisions_seconds": math.inf}])
def test_an_export_over_an_earlier_one_is_refused_once_rows_are_gone(
    location: Path | str, clock: Clock, tmp_path: Path, kept: dict[str, float]
) -> None:
    store = opened(location, clock, replace(KEEP, **kept))
    recorded(store, "a", "b")
    clock.now = 2_000.0
    recorded(store)
    export_parquet(location, tmp_path / "out")
    export_parquet(location, tmp_path / "out")
    assert store.retire(EVERYTHING).result() > 0
    with pytest.raises(InvalidInputError, match="may have been deleted since: give a new directory"):
        export_parquet(location, tmp_path / "out")
    assert parquet.read_table(tmp_path / "out" / "mixtures").num_rows == 2
    store.close()


@pytest.mark.parametrize("name", ["keep_requests_seconds", "keep_decisions_seconds"])
@pytest.mark.parametrize("value", [600.0, 0.0, float("nan")])
def test_rows_are_kept_at_least_for_their_window(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=rf"events\.{name} = .*must exceed window_seconds = 600"):
        EventSettings(**{name: value})
