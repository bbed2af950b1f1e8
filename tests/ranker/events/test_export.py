"""The Parquet files say what the store says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

from ranker.errors import InvalidInputError, NotFoundError
from ranker.events import export
from ranker.events.export import ExportSummary, export_parquet
from ranker.events.export_layout import HourlyWriter
from ranker.events.sqlite_store import SqliteEventStore
from tests.contracts.event_store import SETTINGS, Clock, click, make_decision
from tests.ranker.events.test_request_codec import REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteEventStore]:
    with SqliteEventStore(tmp_path / "events.db", SETTINGS, clock) as opened:
        yield opened


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    files = sorted((folder / name).glob("*/*/*.parquet"))
    return [row for file in files for row in parquet.ParquetFile(file).read().to_pylist()]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes() for file in folder.glob("**/*") if file.is_file()
    }


def fill(store: SqliteEventStore, clock: Clock) -> None:
    """One decision with a click and two expiries, one that still waits, one outcome too late."""
    store.record_decision(make_decision("old", 1_000.25))
    store.record_outcomes([click("e1", "old", position=1), click("e2", "old", position=1)])
    clock.now = 1_011.0
    store.record_decision(make_decision("new", 1_011.0, num_positions=2))
    store.record_outcomes([click("e3", "old", position=0)])
    store.sweep().result()


def test_every_shown_position_is_a_row(store: SqliteEventStore, clock: Clock, tmp_path: Path) -> None:
    fill(store, clock)
    summary = export_parquet(tmp_path / "events.db", tmp_path / "out")
    assert summary == ExportSummary(
        decisions=2,
        positions=5,
        joined=3,
        outcomes=3,
        last_sequence=store.joined_after(0, 10)[-1].sequence,
    )
    rows = read(tmp_path / "out", "decisions")
    assert [(row["decision_id"], row["position"], row["reward"], row["expired"]) for row in rows] == [
        ("old", 0, 0.0, True),
        ("old", 1, 1.0, False),
        ("old", 2, 0.0, True),
        ("new", 0, None, None),
        ("new", 1, None, None),
    ]
    joined = {(row.decision.decision_id, row.position): row.sequence for row in store.joined_after(0, 10)}
    assert [row["sequence"] for row in rows] == [
        joined.get((row["decision_id"], row["position"])) for row in rows
    ]
    decision, first = make_decision("old"), rows[0]
    for name in ("candidate_id", "ctr", "value", "attention", "propensity"):
        assert first[name] == getattr(decision.shown[0], name)
    for name in ("slate_propensity", "exploration_ratio", "schema_id", "model_version", "posterior_version"):
        assert first[name] == getattr(decision, name)
    assert first["created_at"] == datetime.fromtimestamp(1_000.25, UTC)
    assert dict(first["context"]) == decision.context
    creative = decision.shown[0].creative
    assert creative is not None
    assert first["creative_space_id"] == creative.space_id
    assert dict(first["creative_elements"]) == creative.elements
    for name in ("propensity", "draw", "floor", "feasible_hash", "pool_seed", "exact"):
        assert first[f"creative_{name}"] == getattr(creative, name)
    assert {value for name, value in rows[1].items() if name.startswith("creative_")} == {None}


def test_what_an_answer_gave_up_and_whose_arm_it_was_in_stand_beside_it(
    store: SqliteEventStore, tmp_path: Path
) -> None:
    told = {"degradation": "smaller_model", "experiment": "new model", "arm": "canary"}
    store.record_decision(replace(make_decision("told"), **told))
    store.record_decision(make_decision("full")).result()
    export_parquet(tmp_path / "events.db", tmp_path / "out")
    for name in ("decisions", "mixtures"):
        rows = {row["decision_id"]: row for row in read(tmp_path / "out", name)}
        assert (rows["told"]["degradation"], rows["full"]["degradation"]) == ("smaller_model", "")
    rows = {row["decision_id"]: row for row in read(tmp_path / "out", "decisions")}
    assert {name: rows["told"][name] for name in told} == told


def test_mixtures_give_every_marginal_back(store: SqliteEventStore, clock: Clock, tmp_path: Path) -> None:
    fill(store, clock)
    export_parquet(tmp_path / "events.db", tmp_path / "out")
    row = read(tmp_path / "out", "mixtures")[0]
    decision = make_decision("old")
    chance = np.zeros((len(row["candidate_ids"]), row["num_positions"]))
    for slate, probability in zip(row["slates"], row["probabilities"], strict=True):
        chance[slate, range(row["num_positions"])] += probability
    # By hand, from two slates of probability 1/3 and 2/3.
    np.testing.assert_array_equal(
        chance, [[1 / 3, 0, 2 / 3], [0, 1 / 3 + 2 / 3, 0], [2 / 3, 0, 1 / 3], [0, 0, 0]]
    )
    assert tuple(row["candidate_ids"]) == decision.candidate_ids
    assert tuple(row["ctr"]) == decision.ctr
    assert row["constraints"] == [asdict(report) for report in decision.constraints]
    assert dict(row["stage_seconds"]) == decision.stage_seconds
    names = ("request_hash", "solver_status", "solver_steps", "expected_objective", "objective_bound")
    for name in (*names, "default_reward", "slate_propensity", "exploration_ratio"):
        assert row[name] == getattr(decision, name)


def test_outcomes_say_what_became_of_them(store: SqliteEventStore, clock: Clock, tmp_path: Path) -> None:
    fill(store, clock)
    export_parquet(tmp_path / "events.db", tmp_path / "out")
    rows = read(tmp_path / "out", "outcomes")
    assert [(row["event_id"], row["position"], row["status"]) for row in rows] == [
        ("e1", 1, "joined"),
        ("e2", 1, "already_rewarded"),
        ("e3", 0, "late"),
    ]
    assert rows[2]["received_at"] == datetime.fromtimestamp(1_011, UTC)
    assert rows[2]["occurred_at"] == datetime.fromtimestamp(999, UTC)
    assert (rows[2]["event_type"], rows[2]["reward"], rows[2]["decision_id"]) == ("click", 1.0, "old")


def test_rows_lie_by_the_hour_of_their_decision(
    store: SqliteEventStore, clock: Clock, tmp_path: Path
) -> None:
    clock.now = 7_199.0
    store.record_decision(make_decision("a", 7_199.0), replace(REQUEST, request_id="a"))
    store.record_decision(make_decision("c", 86_400.0))
    store.record_decision(make_decision("b", 7_199.5))
    clock.now = 7_201.0  # an outcome of the next hour, and one that is late
    store.record_outcomes([click("e1", "a", position=0)]).result()
    clock.now = 90_000.0
    store.record_outcomes([click("e2", "a", position=1)]).result()
    export_parquet(tmp_path / "events.db", tmp_path / "out")
    first, later = "date=1970-01-01/hour=01", "date=1970-01-02/hour=00"
    assert set(contents(tmp_path / "out")) == {
        f"{table}/{hour}/part-00000.parquet"
        for table, hours in {
            "decisions": (first, later),
            "mixtures": (first, later),
            "outcomes": (first,),
            "requests": (first,),
        }.items()
        for hour in hours
    }
    assert [row["decision_id"] for row in read(tmp_path / "out", "mixtures")] == ["a", "b", "c"]
    assert [row["status"] for row in read(tmp_path / "out", "outcomes")] == ["joined", "late"]
    # As other tools read it.
    table = parquet.read_table(tmp_path / "out" / "mixtures", filters=[("hour", "=", 1)])
    assert table["decision_id"].to_pylist() == ["a", "b"]


def test_a_range_of_hours_is_half_open_and_the_other_hours_stay(
    store: SqliteEventStore, clock: Clock, tmp_path: Path
) -> None:
    for name, hour in (("a", 0), ("b", 1), ("c", 2)):
        clock.now = 3600.0 * hour
        store.record_decision(make_decision(name, clock.now)).result()
        store.record_outcomes([click(name, name)]).result()
    database, out = tmp_path / "events.db", tmp_path / "out"
    found = export_parquet(database, out, created_from=3600.0, created_before=7200.0)
    assert (found.decisions, found.outcomes) == (1, 1)
    assert {row["decision_id"] for row in read(out, "decisions")} == {"b"}
    export_parquet(database, out, created_from=7200.0)
    assert {row["decision_id"] for row in read(out, "decisions")} == {"b", "c"}
    clock.now = 99_000.0
    store.record_outcomes([click("late", "b")]).result()
    export_parquet(database, out, created_from=3600.0, created_before=7200.0)
    assert [row["event_id"] for row in read(out, "outcomes")] == ["b", "late", "c"]


@pytest.mark.parametrize("name", ["created_from", "created_before"])
@pytest.mark.parametrize("seconds", [1.0, 3600.5, float("nan")])
def test_a_range_within_an_hour_is_refused(
    store: SqliteEventStore, tmp_path: Path, name: str, seconds: float
) -> None:
    store.check()
    with pytest.raises(InvalidInputError, match=f"{name} = {seconds}.*whole hour"):
        export_parquet(tmp_path / "events.db", tmp_path / "out", **{name: seconds})


def test_hours_that_mix_keep_the_order_of_the_tables(
    store: SqliteEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More hours at once than files may be open, and batches of three."""
    monkeypatch.setattr(export, "_BATCH", 3)
    rng = np.random.default_rng(0)
    hours = rng.integers(0, 8, 60).tolist()
    for number, hour in enumerate(hours):
        store.record_decision(make_decision(f"d{number}", 3600.0 * hour))
    store.record_outcomes([click(f"e{number}", f"d{number}") for number in range(60)]).result()
    export_parquet(tmp_path / "events.db", tmp_path / "out")
    expected = [f"d{number}" for hour in range(8) for number in range(60) if hours[number] == hour]
    for name in ("mixtures", "outcomes"):
        assert [row["decision_id"] for row in read(tmp_path / "out", name)] == expected
    assert [row["decision_id"] for row in read(tmp_path / "out", "decisions")][::3] == expected
    assert len(contents(tmp_path / "out")) > 3 * 8


def test_small_batches_write_the_same(
    store: SqliteEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(10):
        store.record_decision(make_decision(f"d{i}", num_positions=i % 4))
        store.record_outcomes([click(f"e{i}", f"d{i}")]).result()
    whole = export_parquet(tmp_path / "events.db", tmp_path / "whole")
    monkeypatch.setattr(export, "_BATCH", 3)
    assert export_parquet(tmp_path / "events.db", tmp_path / "parts") == whole
    for name in ("decisions", "mixtures", "outcomes"):
        assert read(tmp_path / "parts", name) == read(tmp_path / "whole", name)


def test_what_comes_during_the_export_is_not_in_it(
    store: SqliteEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record_decision(make_decision("before")).result()
    write = HourlyWriter.write

    def record_meanwhile(writer: HourlyWriter, rows: Any) -> None:
        store.record_decision(make_decision(f"during {id(writer)}"))
        store.record_outcomes([click(f"e{id(writer)}", "before")]).result()
        write(writer, rows)

    monkeypatch.setattr(HourlyWriter, "write", record_meanwhile)
    summary = export_parquet(tmp_path / "events.db", tmp_path / "out")
    assert summary == ExportSummary(decisions=1, positions=3, joined=0, outcomes=0, last_sequence=0)


def test_a_failed_export_leaves_the_old_files(
    store: SqliteEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record_decision(make_decision()).result()
    export_parquet(tmp_path / "events.db", tmp_path / "out")
    before = contents(tmp_path / "out")
    assert set(before) == {
        f"{name}/date=1970-01-01/hour=00/part-00000.parquet" for name in ("decisions", "mixtures")
    }
    store.record_decision(replace(make_decision("d2"))).result()
    monkeypatch.setattr(export, "microseconds", lambda _: 1 / 0)
    store.record_outcomes([click()]).result()
    with pytest.raises(ZeroDivisionError):
        export_parquet(tmp_path / "events.db", tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_an_empty_store_gives_empty_tables(store: SqliteEventStore, tmp_path: Path) -> None:
    store.check()
    assert export_parquet(tmp_path / "events.db", tmp_path / "out") == ExportSummary(0, 0, 0, 0, 0)
    assert read(tmp_path / "out", "decisions") == []


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere\.db"):
        export_parquet(tmp_path / "nowhere.db", tmp_path / "out")


def test_the_store_itself_needs_no_pyarrow() -> None:
    code = "import ranker.events.sqlite_store, sys; sys.exit('pyarrow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
