from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ranker.errors import InvalidInputError, NotFoundError
from ranker.scoring.dataset import read_click_log
from ranker.scoring.schema import UNKNOWN, FeatureSchema, Field

if TYPE_CHECKING:
    from pathlib import Path

    from ranker.scoring.dataset import ClickLog

SCHEMA = FeatureSchema(
    "shop",
    "click",
    (
        Field("colour", "categorical", "candidate", vocabulary=(UNKNOWN, "red", "blue")),
        Field("price", "numeric", "candidate"),
        Field("slot", "categorical", "context", size=3),
        Field("hour", "numeric", "context"),
    ),
    time="at",
)
CSV = """at,colour,click,price,slot,hour,other
2020-01-01T00:00:00Z,red,1,1.5,0,23,x
2020-01-02T00:00:00Z,green,0,-2,2,0,x
2020-01-03T00:00:00Z,,0,1e3,1,7,x
"""


def read(folder: Path, text: str, max_bad_rows: int = 0) -> ClickLog:
    path = folder / "log.csv"
    path.write_text(text)
    return read_click_log(path, SCHEMA, max_bad_rows)


def test_columns_come_in_the_schema_s_order_whatever_the_file_s(tmp_path: Path) -> None:
    log = read(tmp_path, CSV)
    assert log.numeric.tolist() == [[23.0, 1.5], [0.0, -2.0], [7.0, 1000.0]]
    assert log.encode(SCHEMA).tolist() == [[0, 1], [2, 0], [1, 0]]
    assert log.clicks.tolist() == [1.0, 0.0, 0.0]
    assert log.time is not None
    assert str(log.time[1]) == "2020-01-02T00:00:00.000000"
    assert log.sha256 == hashlib.sha256(CSV.encode()).hexdigest()
    assert log.num_bad_rows == 0


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    at = pa.array(["2020-01-01", "2020-01-02", "2020-01-03"]).cast(pa.timestamp("ns"))
    columns = {
        "colour": pa.array(["red", "green", None]).dictionary_encode(),
        "click": [True, False, False],
        "price": [1.5, -2, 1e3],
        "slot": pa.array([0, 2, 1], pa.int8()),
        "hour": [23, 0, 7],
        "at": at,
    }
    parquet.write_table(pa.table(columns), path)
    log, same = read_click_log(path, SCHEMA), read(tmp_path, CSV)
    np.testing.assert_array_equal(log.numeric, same.numeric)
    np.testing.assert_array_equal(log.encode(SCHEMA), same.encode(SCHEMA))
    np.testing.assert_array_equal(log.clicks, same.clicks)
    np.testing.assert_array_equal(log.time, same.time)


def test_text_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("hour,click\n02,1\n2,0\n")
    schema = FeatureSchema("s", "click", (Field("hour", "categorical", "context"),))
    assert read_click_log(tmp_path / "log.csv", schema).categorical[0].to_pylist() == ["02", "2"]


def test_missing_text_is_the_empty_string(tmp_path: Path) -> None:
    assert read(tmp_path, CSV).categorical[1].to_pylist() == ["red", "green", ""]


BAD = [
    ("1.5", "cheap", "column 'price' = 'cheap': must be a finite number"),
    ("1.5", "", "column 'price' = '': must be a finite number"),
    ("1.5", "nan", "column 'price' = 'nan'"),
    ("1.5", "inf", "column 'price' = 'inf'"),
    ("1.5", "1e300", "column 'price' = '1e300'"),
    (",1,", ",2,", "column 'click' = '2': must be 0 or 1"),
    (",1,", ",yes,", "column 'click' = 'yes'"),
    (",0,23", ",3,23", r"column 'slot' = '3': must be an id in 0\.\.2"),
    (",0,23", ",-1,23", "column 'slot' = '-1'"),
    (",0,23", ",0.5,23", "column 'slot' = '0.5'"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_bad_row_is_refused_by_file_row_column_and_value(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=rf"log\.csv: row 1, {message}.*1 bad row\(s\), 0 allowed"):
        read(tmp_path, CSV.replace(old, new, 1))


def test_the_first_bad_row_is_named_when_several_columns_have_some(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"row 2, column 'hour' = 'x'.*2 bad row"):
        read(tmp_path, CSV.replace(",2,0,x", ",2,x,x").replace("1e3", "x"))


def test_a_column_of_a_type_that_is_no_number_names_its_first_value(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    hours = pa.array(["2020-01-01", "2020-01-02"]).cast(pa.timestamp("us"))
    parquet.write_table(pa.table({"hour": hours, "click": [1, 0]}), path)
    schema = FeatureSchema("s", "click", (Field("hour", "numeric", "context"),))
    with pytest.raises(
        InvalidInputError, match=r"row 1, column 'hour' = .*2020.*: must be a finite number; 2"
    ):
        read_click_log(path, schema)


def test_a_negative_number_of_bad_rows_cannot_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="max_bad_rows = -1: must not be negative"):
        read(tmp_path, CSV, max_bad_rows=-1)


def test_a_time_unlike_the_first_is_a_bad_row(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="row 3, column 'at' = 'yesterday'"):
        read(tmp_path, CSV.replace("2020-01-03T00:00:00Z", "yesterday"))


WAITS = FeatureSchema("w", "buy", (Field("hour", "numeric", "context"),), age="age", delay="after")
WAITS_CSV = "hour,buy,age,after\n1,1,7.5,2\n2,0,3,\n"


def test_ages_and_delays_are_read_and_no_delay_is_infinite(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(WAITS_CSV)
    log = read_click_log(tmp_path / "log.csv", WAITS)
    assert log.ages is not None
    assert log.delays is not None
    assert log.ages.tolist() == [7.5, 3.0]
    assert log.delays.tolist() == [2.0, np.inf]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("7.5", "-1", "row 1, column 'age' = '-1': must be a finite number from 0"),
        ("7.5", "", "row 1, column 'age' = '': must be a finite number from 0"),
        ("7.5,2", "7.5,8", "row 1, column 'after' = '8': must be from 0 to the row's age where buy is 1"),
        ("7.5,2", "7.5,-2", "row 1, column 'after' = '-2'"),
        ("7.5,2", "7.5,", "row 1, column 'after' = ''"),
        ("3,\n", "3,1\n", "row 2, column 'after' = '1'.*empty where it is 0"),
        ("3,\n", "3,soon\n", "row 2, column 'after' = 'soon'"),
    ],
)
def test_a_delay_that_disagrees_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "log.csv").write_text(WAITS_CSV.replace(old, new))
    with pytest.raises(InvalidInputError, match=message):
        read_click_log(tmp_path / "log.csv", WAITS)


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_bad_rows_are_left_out_and_counted_when_allowed(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    del message
    log = read(tmp_path, CSV.replace(old, new, 1), max_bad_rows=1)
    assert log.num_bad_rows == 1
    assert log.numeric.tolist() == [[0.0, -2.0], [7.0, 1000.0]]
    assert log.encode(SCHEMA).tolist() == [[2, 0], [1, 0]]
    assert len(log.clicks) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV.replace("price", "cost"), r"column = 'price': is missing in .*log\.csv"),
        (CSV + "2020-01-04T00:00:00Z,red\n", r"log\.csv.*Expected 7 columns, got 2"),
        (CSV.split("\n")[0] + "\n", r"log\.csv.: has no rows"),
        (
            CSV.replace("2020-01-0", "day "),
            "column 'at' = 'day 1T00:00:00Z': must be numbers or ISO 8601 times",
        ),
        ("", "column = 'hour': is missing"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read(tmp_path, text)


def test_only_csv_and_parquet_files_are_read(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.csv"):
        read_click_log(tmp_path / "none.csv", SCHEMA)
    (tmp_path / "log.txt").write_text(CSV)
    with pytest.raises(InvalidInputError, match=r"must end in \.csv or \.parquet"):
        read_click_log(tmp_path / "log.txt", SCHEMA)
    (tmp_path / "log.parquet").write_text(CSV)
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_click_log(tmp_path / "log.parquet", SCHEMA)


def test_fractions_are_no_ids(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"slot": [1.0, 0.5], "click": [0, 1]}), tmp_path / "log.parquet")
    schema = FeatureSchema("s", "click", (Field("slot", "categorical", "context", size=2),))
    with pytest.raises(InvalidInputError, match=r"row 2, column 'slot' = 0\.5: must be an id"):
        read_click_log(tmp_path / "log.parquet", schema)


def test_fractions_are_no_categories(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"f": [1.0, 2.0], "click": [0, 1]}), tmp_path / "log.parquet")
    schema = FeatureSchema("s", "click", (Field("f", "categorical", "context"),))
    with pytest.raises(InvalidInputError, match="type of column 'f' = 'double'"):
        read_click_log(tmp_path / "log.parquet", schema)


@pytest.mark.parametrize("times", [("1", "2.5", "3"), ("2020-01-01 00:00:00.25", "2020-01-02", "2021-01-01")])
def test_times_are_numbers_or_dates(tmp_path: Path, times: tuple[str, ...]) -> None:
    text = CSV
    for day, time in enumerate(times, start=1):
        text = text.replace(f"2020-01-0{day}T00:00:00Z", time)
    log = read(tmp_path, text)
    assert log.time is not None
    assert (np.diff(log.time).astype(np.float64) > 0).all()
