"""`adranker export` of some hours, and `adranker events partition`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ranker.cli import app
from ranker.errors import InvalidInputError
from ranker.events.sqlite_store import SqliteEventStore
from ranker.home import Home
from tests.contracts.event_store import SETTINGS, Clock, make_decision

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A decision in each of three hours."""
    events = Home(tmp_path / "home").events
    events.parent.mkdir(parents=True)
    with SqliteEventStore(events, SETTINGS, Clock()) as store:
        for hour in range(3):
            store.record_decision(make_decision(f"d{hour}", 3600.0 * hour)).result()
    return tmp_path / "home"


def run(*arguments: str) -> dict[str, int]:
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    counts: dict[str, int] = json.loads(result.stdout)
    return counts


@pytest.mark.parametrize(
    ("begin", "end"),
    [("1970-01-01T01:00Z", "1970-01-01T02:00Z"), ("1970-01-01 01:00", "1970-01-01T03:00+01:00")],
)
def test_hours_are_chosen_by_their_times_in_utc_or_a_zone(
    home: Path, tmp_path: Path, begin: str, end: str
) -> None:
    out = tmp_path / "out"
    chosen = run("export", str(out), "--home", str(home), "--from", begin, "--before", end)
    assert chosen["decisions"] == 1
    assert [path.name for path in (out / "mixtures").glob("*/*")] == ["hour=01"]


def test_without_hours_all_are_exported(home: Path, tmp_path: Path) -> None:
    assert run("export", str(tmp_path / "out"), "--home", str(home))["decisions"] == 3


@pytest.mark.parametrize("text", ["yesterday", "2026-11-24T25:00Z"])
def test_what_is_no_time_is_named(home: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInputError, match=f"before = '{text}'"):
        run("export", str(tmp_path / "out"), "--home", str(home), "--before", text)


def test_an_export_of_one_file_a_table_is_laid_by_the_hour(home: Path, tmp_path: Path) -> None:
    run("export", str(tmp_path / "out"), "--home", str(home), "--before", "1970-01-01T01:00Z")
    old = tmp_path / "old"
    old.mkdir()
    for name in ("decisions", "mixtures"):
        (part,) = (tmp_path / "out" / name).glob("*/*/*.parquet")
        part.rename(old / f"{name}.parquet")
    assert run("events", "partition", str(old)) == {"decisions": 3, "mixtures": 1}
    assert (old / "mixtures/date=1970-01-01/hour=00/part-00000.parquet").is_file()
