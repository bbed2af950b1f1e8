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

from ranker.errors import NotFoundError
from ranker.events import export
from ranker.events.export import ExportSummary, export_parquet
from ranker.events.sqlite_store import SqliteEventStore
from tests.contracts.event_store import SETTINGS, Clock, click, make_decision

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
    rows: list[dict[str, Any]] = parquet.read_table(folder / f"{name}.parquet").to_pylist()
    return rows


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


def test_a_range_of_time_is_half_open(store: SqliteEventStore, clock: Clock, tmp_path: Path) -> None:
    fill(store, clock)
    database, out = tmp_path / "events.db", tmp_path / "out"
    old = export_parquet(database, out, created_from=1_000.25, created_before=1_011.0)
    assert (old.decisions, old.outcomes) == (1, 3)
    assert {row["decision_id"] for row in read(out, "decisions")} == {"old"}
    new = export_parquet(database, out, created_from=1_011.0)
    assert (new.decisions, new.outcomes) == (1, 0)
    assert {row["decision_id"] for row in read(out, "decisions")} == {"new"}


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
    open_file = export._writer

    def record_meanwhile(*arguments: Any) -> Any:
        store.record_decision(make_decision(f"during {arguments[0]}"))
        store.record_outcomes([click(f"e{arguments[0]}", "before")]).result()
        return open_file(*arguments)

    monkeypatch.setattr(export, "_writer", record_meanwhile)
    summary = export_parquet(tmp_path / "events.db", tmp_path / "out")
    assert summary == ExportSummary(decisions=1, positions=3, joined=0, outcomes=0, last_sequence=0)


def test_a_failed_export_leaves_the_old_files(
    store: SqliteEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record_decision(make_decision()).result()
    export_parquet(tmp_path / "events.db", tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    names = ("decisions", "mixtures", "outcomes", "requests")
    assert set(before) == {f"{name}.parquet" for name in names}
    store.record_decision(replace(make_decision("d2"))).result()
    monkeypatch.setattr(export, "microseconds", lambda _: 1 / 0)
    store.record_outcomes([click()]).result()
    with pytest.raises(ZeroDivisionError):
        export_parquet(tmp_path / "events.db", tmp_path / "out")
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


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
