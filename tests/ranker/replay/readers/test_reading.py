"""Every format to the same columns, and every way in which a row can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ranker.errors import InvalidInputError
from ranker.events.export_tables import DECISIONS
from ranker.replay.logged_batch import Defect, LoggedBatch, tally
from ranker.replay.readers import ActionOf, LogFormat, ReadOptions, parts_of, read_frame, read_log, read_part

LENIENT = ReadOptions(max_bad_ratio=1.0)
PLAIN = {"action": ["a", "b", "a"], "reward": [1.0, 0.0, 0.5], "propensity": [0.5, 0.25, 1.0]}


def _all(path: Path, options: ReadOptions = LENIENT) -> LoggedBatch:
    """The batches of a small log as one."""
    batches = list(read_log(path, options))
    last = batches[-1]
    columns = {
        name: np.concatenate([getattr(b, name) for b in batches])
        for name in ("actions", "rewards", "propensities", "positions", "loggers", "requests")
    }
    contexts = {n: np.concatenate([b.contexts[n] for b in batches]) for n in last.contexts}
    rejected = tally(r for b in batches for r in b.rejected)
    return LoggedBatch(
        **columns,
        contexts=contexts,
        action_names=last.action_names,
        logger_names=last.logger_names,
        rejected=rejected,
    )


def test_a_dataframe_needs_three_columns() -> None:
    found = read_frame(pd.DataFrame(PLAIN))
    np.testing.assert_array_equal(found.actions, [0, 1, 0])
    np.testing.assert_array_equal(found.rewards, [1.0, 0.0, 0.5])
    assert found.action_names == ("a", "b")
    assert (found.positions == 0).all()
    assert len(set(found.requests)) == 3


def test_optional_columns_are_position_logging_policy_and_request() -> None:
    more = {"position": [0, 1, 2], "logging_policy": ["x", "y", "x"], "request_id": ["r1", "r1", "r2"]}
    found = read_frame(PLAIN | more | {"age": [30, 40, 50]}, ReadOptions(contexts=("age",)))
    np.testing.assert_array_equal(found.positions, [0, 1, 2])
    assert found.logger_names == ("x", "y")
    assert found.requests[0] == found.requests[1] != found.requests[2]
    np.testing.assert_array_equal(found.contexts["age"], [30.0, 40.0, 50.0])


@pytest.mark.parametrize(
    ("column", "value", "defect"),
    [
        ("action", None, Defect.NO_ACTION),
        ("action", "", Defect.NO_ACTION),
        ("reward", None, Defect.NO_REWARD),
        ("reward", np.nan, Defect.NO_REWARD),
        ("reward", np.inf, Defect.NO_REWARD),
        ("propensity", None, Defect.NO_PROPENSITY),
        ("propensity", 0.0, Defect.PROPENSITY_OUT_OF_RANGE),
        ("propensity", 2.15, Defect.PROPENSITY_OUT_OF_RANGE),
        ("position", -1, Defect.POSITION_OUT_OF_RANGE),
        ("position", 0.5, Defect.POSITION_OUT_OF_RANGE),
    ],
)
def test_one_broken_cell_costs_its_row_and_is_counted(column: str, value: Any, defect: Defect) -> None:
    columns = {name: list(cells) for name, cells in (PLAIN | {"position": [0.0, 0.0, 0.0]}).items()}
    columns[column][1] = value
    found = read_frame(columns, LENIENT)
    assert found.num_rows == 2
    (rejection,) = found.rejected
    assert (rejection.defect, rejection.count, rejection.row, rejection.column) == (defect, 1, 1, column)


def test_too_many_bad_rows_are_an_error_that_names_file_row_and_column(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("action,reward,propensity\na,1,0.5\nb,0,2.15\n")
    with pytest.raises(InvalidInputError) as error:
        _all(file, ReadOptions(max_bad_ratio=0.1))
    assert error.value.field == f"{file}: row 2, column propensity"
    assert error.value.value == "2.15"
    assert "1 of 2 rows cannot be used" in error.value.problem


def test_text_that_is_no_number_costs_its_row_not_the_file(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("action,reward,propensity\na,1,0.5\nb,yes,0.5\nc, 1e-1 ,0.5\n")
    found = _all(file)
    np.testing.assert_array_equal(found.rewards, [1.0, 0.1])
    assert (found.rejected[0].row, found.rejected[0].value) == (2, "yes")


def test_a_csv_row_of_another_length_is_malformed_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("action,reward,propensity\na,1,0.5\nb,0\nc,1,0.5\nd,1,7\n")
    found = _all(file)
    assert found.action_names == ("a", "c")
    assert {(r.defect, r.row) for r in found.rejected} == {
        (Defect.MALFORMED, 2),
        (Defect.PROPENSITY_OUT_OF_RANGE, 4),
    }


def test_open_bandit_positions_count_from_one(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text(
        ",timestamp,item_id,position,click,propensity_score,user_feature_0\n"
        "0,2019-11-24,79,2,0,0.087125,81ce\n1,2019-11-24,14,1,1,0.006235,03a5\n2,2019-11-24,14,0,1,0.1,03a5\n"
    )
    found = _all(file, ReadOptions(max_bad_ratio=1.0, contexts=("user_feature_0",)))
    np.testing.assert_array_equal(found.positions, [1, 0])
    np.testing.assert_array_equal(found.rewards, [0.0, 1.0])
    assert found.action_names == ("79", "14")
    assert list(found.contexts["user_feature_0"]) == ["81ce", "03a5"]
    assert found.rejected[0].defect is Defect.POSITION_OUT_OF_RANGE


def test_parquet_is_cut_by_row_group_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "log.parquet"
    columns = {"action": ["a"] * 10, "reward": [1.0] * 10, "propensity": [0.5] * 9 + [2.0]}
    parquet.write_table(pa.table(columns), file, row_group_size=4)
    parts = parts_of(file)
    assert [part.first_row for part in parts] == [1, 5, 9]
    batches = [batch for part in parts for batch in read_part(part, LENIENT)]
    assert [b.num_rows for b in batches] == [4, 4, 1]
    assert batches[-1].rejected[0].row == 10
    np.testing.assert_array_equal(np.concatenate([b.requests for b in batches]), np.arange(1, 10))


def _decision(position: int, reward: float | None, **more: Any) -> dict[str, Any]:
    return {
        "decision_id": "d1",
        "position": position,
        "candidate_id": f"item-{position}",
        "propensity": 0.25,
        "reward": reward,
        "model_version": "m1",
        "context": [("hour", 7)],
        **more,
    }


def _export(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows, schema=DECISIONS), folder / "decisions.parquet")
    return folder


def test_our_export_gives_a_row_a_position_and_pending_rewards_are_no_mistake(tmp_path: Path) -> None:
    folder = _export(tmp_path / "out", [_decision(0, 1.0), _decision(1, None), _decision(2, 0.0)])
    found = _all(folder, ReadOptions(max_bad_ratio=0.0, contexts=("hour",)))
    assert found.action_names == ("item-0", "item-2")
    assert found.requests[0] == found.requests[1]
    assert found.logger_names == ("m1",)
    np.testing.assert_array_equal(found.contexts["hour"], [7.0, 7.0])
    assert (found.rejected[0].defect, found.rejected[0].row) == (Defect.REWARD_PENDING, 2)


def test_an_export_by_the_hour_is_read_in_the_order_of_time_whole_or_a_day_or_an_hour(tmp_path: Path) -> None:
    days = {"date=2026-11-24": ("hour=05", "hour=16"), "date=2026-11-25": ("hour=00",)}
    hours = [tmp_path / "out" / "decisions" / day / hour for day, found in days.items() for hour in found]
    for number, folder in enumerate(hours):
        folder.mkdir(parents=True)
        rows = [_decision(position, 1.0, decision_id=f"d{number}") for position in (number, 0)]
        for part, row in enumerate(rows):
            table = pa.Table.from_pylist([row], schema=DECISIONS)
            parquet.write_table(table, folder / f"part-0000{part}.parquet")
    (tmp_path / "out" / ".export-broken-off").mkdir()
    whole = _all(tmp_path / "out")
    assert [whole.action_names[code] for code in whole.actions] == [
        "item-0", "item-0", "item-1", "item-0", "item-2", "item-0"
    ]  # fmt: skip
    assert _all(tmp_path / "out" / "decisions" / "date=2026-11-24").num_rows == 4
    assert _all(hours[1]).num_rows == 2
    assert _all(tmp_path / "out" / "decisions").num_rows == 6


def test_the_creatives_of_an_export_are_actions_of_their_own(tmp_path: Path) -> None:
    creative = {"creative_elements": [("title", "t1"), ("image", "i2")], "creative_propensity": 0.1}
    folder = _export(tmp_path / "out", [_decision(0, 1.0, **creative), _decision(1, 1.0)])
    options = ReadOptions(action_of=ActionOf.CREATIVE, contexts=("element.title",))
    found = _all(folder, options)
    assert found.action_names == ("image=i2,title=t1",)
    np.testing.assert_array_equal(found.propensities, [0.1])
    assert list(found.contexts["element.title"]) == ["t1"]


CB = {"_label_cost": -1.0, "_label_probability": 0.8, "_labelIndex": 2, "EventId": "e1", "a": [3, 1, 2]}


def _lines(path: Path, events: list[Any]) -> Path:
    path.write_text("\n".join(e if isinstance(e, str) else json.dumps(e) for e in events) + "\n")
    return path


def test_a_dsjson_event_is_a_reward_of_minus_its_cost(tmp_path: Path) -> None:
    event = CB | {"p": [0.8, 0.1, 0.1], "c": {"user": {"age": 30}}}
    log = _lines(tmp_path / "log.dsjson", [event])
    found = _all(log, ReadOptions(contexts=("user.age",)))
    assert (found.rewards[0], found.propensities[0], found.action_names) == (1.0, 0.8, ("2",))
    assert list(found.contexts["user.age"]) == [30.0]


def test_without_labels_of_its_own_the_first_of_a_and_p_is_what_was_drawn(tmp_path: Path) -> None:
    log = _lines(tmp_path / "log.json", [{"_label_cost": 0.0, "a": [3, 1, 2], "p": [0.6, 0.2, 0.2]}])
    found = _all(log)
    assert (found.action_names, found.propensities[0]) == (("2",), 0.6)


def test_the_slots_of_a_ccb_event_are_positions(tmp_path: Path) -> None:
    outcomes = [
        {"_label_cost": -1.0, "_a": [1, 0], "_p": [0.7, 0.3]},
        {"_label_cost": 0.0, "_a": [0], "_p": [1.0]},
    ]
    found = _all(_lines(tmp_path / "log.dsjson", [{"EventId": "e", "_outcomes": outcomes}]))
    np.testing.assert_array_equal(found.positions, [0, 1])
    np.testing.assert_array_equal(found.propensities, [0.7, 1.0])
    assert found.requests[0] == found.requests[1]


@pytest.mark.parametrize(
    ("line", "defect"),
    [
        ("{", Defect.MALFORMED),
        ("[1]", Defect.MALFORMED),
        (json.dumps({"EventId": "dangling"}), Defect.MALFORMED),
        (json.dumps(CB | {"_label_probability": 1.5}), Defect.PROPENSITY_OUT_OF_RANGE),
        (json.dumps(CB | {"_label_cost": "x"}), Defect.NO_REWARD),
        (json.dumps(CB | {"pdrop": 0.5}), Defect.SAMPLED),
        (json.dumps(CB | {"_labelIndex": None}), Defect.NO_ACTION),
        (json.dumps({"_outcomes": 3}), Defect.MALFORMED),
        (json.dumps({"_outcomes": [{}]}), Defect.MALFORMED),
    ],
)
def test_a_broken_event_is_counted_with_its_line(tmp_path: Path, line: str, defect: Defect) -> None:
    found = _all(_lines(tmp_path / "log.dsjson", [CB, line, CB]))
    assert found.num_rows == 2
    assert (found.rejected[0].defect, found.rejected[0].row) == (defect, 2)


def test_equal_codes_mean_equal_names_across_batches(tmp_path: Path) -> None:
    file = tmp_path / "log.parquet"
    rows = {"action": ["a", "b", "c", "a"], "reward": [0.0] * 4, "propensity": [0.5] * 4}
    parquet.write_table(pa.table(rows), file, row_group_size=2)
    np.testing.assert_array_equal(_all(file).actions, [0, 1, 2, 0])


@pytest.mark.parametrize(
    ("name", "text"),
    [("log.txt", "x"), ("log.parquet", "no parquet"), ("log.csv", "action,reward\na,1\n"), ("log.csv", "")],
)
def test_a_file_that_is_no_log_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInputError) as error:
        _all(tmp_path / name)
    assert name in str(error.value)


def test_a_log_that_is_not_there_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InvalidInputError, match="log"):
            list(read_log(path))


def test_a_context_that_is_no_column_is_named() -> None:
    with pytest.raises(InvalidInputError, match="age"):
        read_frame(PLAIN, ReadOptions(contexts=("age",)))


def test_a_format_can_be_told(tmp_path: Path) -> None:
    log = _lines(tmp_path / "events.json", [CB])
    assert parts_of(log, ReadOptions(format=LogFormat.DSJSON))[0].format is LogFormat.DSJSON


@pytest.mark.parametrize(
    ("change", "field"), [({"max_bad_ratio": 1.5}, "max_bad_ratio"), ({"batch_rows": 0}, "batch_rows")]
)
def test_options_without_meaning_are_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        ReadOptions(**change)
    assert error.value.field == field


def test_a_csv_of_a_spreadsheet_begins_with_a_mark_that_is_no_part_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_bytes(b"\xef\xbb\xbfaction,reward,propensity\na,1,0.5\nb,0,0.25\n")
    found = _all(file)
    assert found.action_names == ("a", "b")
    assert found.propensities.tolist() == [0.5, 0.25]


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_csv_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "log.csv"
    file.write_text(content)
    with pytest.raises(InvalidInputError, match=r"log\.csv': is empty"):
        _all(file)
