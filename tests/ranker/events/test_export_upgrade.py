"""An export of an earlier release, laid by the hour, says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet
import pytest

from ranker.errors import InvalidInputError, NotFoundError
from ranker.events.export import export_parquet
from ranker.events.export_upgrade import partition_export
from ranker.events.sqlite_store import SqliteEventStore
from tests.contracts.event_store import SETTINGS, Clock, click, make_decision
from tests.ranker.events.test_request_codec import REQUEST

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("decisions", "mixtures", "outcomes", "requests")


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    files = sorted((folder / name).glob("*/*/*.parquet"))
    return [row for file in files for row in parquet.ParquetFile(file).read().to_pylist()]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Three decisions in two hours, with an outcome each, one of them late, and one captured request."""
    clock = Clock()
    with SqliteEventStore(tmp_path / "events.db", SETTINGS, clock) as store:
        for name, at in (("a", 3_599.123456), ("b", 3_600.0), ("c", 3_601.0)):
            clock.now = at + 99.0 * (name == "b")
            store.record_decision(make_decision(name, at), REQUEST if name == "a" else None)
            store.record_outcomes([click(f"e{name}", name)]).result()
    export_parquet(tmp_path / "events.db", tmp_path / "new")
    return tmp_path / "new"


def single_files(exported: Path, out: Path, without: tuple[str, ...] = ()) -> Path:
    """Writes what an earlier release would have."""
    out.mkdir()
    for name in TABLES:
        files = sorted((exported / name).glob("*/*/*.parquet"))
        whole = pa.concat_tables([parquet.ParquetFile(file).read() for file in files])
        kept = [column for column in whole.column_names if column not in without]
        parquet.write_table(whole.select(kept), out / f"{name}.parquet")
    return out


def test_a_partitioned_export_has_the_rows_of_a_new_one(exported: Path, tmp_path: Path) -> None:
    old = single_files(exported, tmp_path / "old")
    assert partition_export(old) == {"decisions": 9, "mixtures": 3, "outcomes": 3, "requests": 1}
    assert sorted(path.name for path in old.iterdir()) == sorted(TABLES)
    for name in TABLES:
        assert rows(old, name) == rows(exported, name)
    hours = sorted(str(path.relative_to(old)) for path in old.glob("outcomes/*/*"))
    assert hours == ["outcomes/date=1970-01-01/hour=00", "outcomes/date=1970-01-01/hour=01"]


def test_columns_that_are_not_there_yet_stay_away(exported: Path, tmp_path: Path) -> None:
    old = single_files(exported, tmp_path / "old", without=("experiment", "arm", "degradation"))
    partition_export(old)
    assert {"arm", "degradation"}.isdisjoint(rows(old, "decisions")[0])


def test_an_outcome_without_its_decision_is_named_and_nothing_changes(exported: Path, tmp_path: Path) -> None:
    old = single_files(exported, tmp_path / "old")
    mixtures = parquet.read_table(old / "mixtures.parquet")
    parquet.write_table(mixtures.filter(pc.not_equal(mixtures["decision_id"], "b")), old / "mixtures.parquet")
    with pytest.raises(InvalidInputError, match=r"outcomes\.decision_id = 'b'"):
        partition_export(old)
    assert sorted(path.name for path in old.iterdir()) == sorted(f"{name}.parquet" for name in TABLES)


def test_what_is_partitioned_already_is_left_alone(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing to partition"):
        partition_export(exported)
    old = single_files(exported, tmp_path / "old")
    (old / "outcomes").mkdir()
    with pytest.raises(InvalidInputError, match="partitioned already"):
        partition_export(old)


def test_an_export_of_all_times_takes_the_place_of_single_files(exported: Path, tmp_path: Path) -> None:
    old = single_files(exported, tmp_path / "old")
    with pytest.raises(InvalidInputError, match=r"decisions\.parquet.*adranker events partition"):
        export_parquet(tmp_path / "events.db", old, created_from=3600.0)
    export_parquet(tmp_path / "events.db", old)
    assert sorted(path.name for path in old.iterdir()) == sorted(TABLES)
    assert rows(old, "mixtures") == rows(exported, "mixtures")
