"""Reading logs and the command, end to end on files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner

from ranker.attention.attention_file import read_attention
from ranker.attention.click_log import ClickLog
from ranker.attention.command import fit_attention_command
from ranker.attention.identification import NotIdentifiedError
from ranker.attention.reading import read_log
from ranker.errors import InvalidInputError

HEAD = "session,position,item,click\n"


def table_of(log: ClickLog, **more: Any) -> pa.Table:
    columns = {name: getattr(log, name) for name in ("session", "position", "item", "click")}
    return pa.table(columns | more)


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command("fit-attention")(fit_attention_command)
    return app


def test_the_command_writes_a_file_that_requests_can_use(
    app: typer.Typer, swapped: ClickLog, tmp_path: Path
) -> None:
    log, out = tmp_path / "log.parquet", tmp_path / "var" / "attention.json"
    device = np.where(swapped.session % 2 == 0, "phone", "desk")
    pyarrow.parquet.write_table(table_of(swapped, device=device), log)
    answer = CliRunner().invoke(app, [str(log), "--out", str(out), "--by", "device", "--json"])
    assert answer.exit_code == 0, answer.output
    line = json.loads(answer.stdout)
    file = read_attention(out)
    assert line["version"] == file.version
    assert line["method"] == "harvest"
    np.testing.assert_allclose(file.attention(2), [1, 0.5], atol=1e-6)
    assert set(line["contexts"]) == {"device=phone", "device=desk"}


@pytest.mark.parametrize("method", ["pbm", "harvest", "chain", "cascade", "sdbn", "dbn"])
def test_every_method_prints_a_table(
    app: typer.Typer, swapped: ClickLog, tmp_path: Path, method: str
) -> None:
    log = tmp_path / "log.parquet"
    pyarrow.parquet.write_table(table_of(swapped), log)
    answer = CliRunner().invoke(app, [str(log), "--out", str(tmp_path / "a.json"), "--method", method])
    assert answer.exit_code == 0, answer.output
    assert f"all rows: {method}" in answer.stdout


def test_a_static_log_ends_the_command_with_the_reason(app: typer.Typer, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(HEAD + "".join(f"{s},{j},ad{j},{int(s % 3 == j)}\n" for s in range(9) for j in range(2)))
    answer = CliRunner().invoke(app, [str(log), "--out", str(tmp_path / "a.json")])
    assert isinstance(answer.exception, NotIdentifiedError)
    assert not (tmp_path / "a.json").exists()


def test_csv_text_becomes_codes(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEAD + "a,0,x,1\na,1,y,0\nb,0,y,0\n")
    log, left_out = read_log(path)
    assert left_out == 0
    np.testing.assert_array_equal(log.session, [0, 0, 1])
    np.testing.assert_array_equal(log.item, [0, 1, 1])
    np.testing.assert_array_equal(log.click, [True, False, False])


@pytest.mark.parametrize(
    "place", ["decisions.parquet", "decisions/date=2026-11-24/hour=16/part-00000.parquet"]
)
def test_an_export_of_the_event_store_is_read_as_it_is(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "decision_id": ["a", "a", "b", "b", "c"],
            "position": pa.array([0, 1, 0, 1, 0], pa.int32()),
            "candidate_id": ["x", "y", "y", "x", "x"],
            "reward": [1.0, 0.0, 0.0, None, 0.0],
            "model_version": ["m1", "m1", "m1", "m1", "m2"],
            "posterior_version": ["p1", "p1", "p1", "p1", None],
            "context": pa.array([[("device", 1)]] * 5, pa.map_(pa.string(), pa.int64())),
        }
    )
    pyarrow.parquet.write_table(table, path)
    log, left_out = read_log(tmp_path / Path(place).parts[0], ("device",))
    assert left_out == 2  # decision b: one of its outcomes is not known yet
    assert log.context_names == ("device=1",)
    assert log.version is not None
    assert len(np.unique(log.version)) == 2
    np.testing.assert_array_equal(log.click, [True, False, False])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("session,position,item\na,0,x\n", r"log.csv: columns = .* there is no column 'click'"),
        (HEAD + "a,0,x,2\n", r"log.csv: click\[0\] = 2.0: must be 0 or 1"),
        (HEAD + "a,0,x,yes\n", r"log.csv: click = 'string': must be 0 or 1"),
        (HEAD + "a,0.5,x,1\n", r"log.csv: position = 'double': must be integers that start at 0"),
        (HEAD + "a,0,x,1\na,,y,0\n", r"log.csv: position\[1\] = None: must not be empty"),
        (HEAD + "a,0,x,\n", r"log.csv: click = None: no session has all its clicks known"),
        (HEAD + "a,0,x,1,9\n", r"log.csv'*: cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_column_and_row(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        read_log(path)


def test_a_missing_file_an_unknown_ending_and_an_unknown_context_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="does not exist"):
        read_log(tmp_path / "nowhere.csv")
    (tmp_path / "log.txt").write_text(HEAD)
    with pytest.raises(InvalidInputError, match=r"must end in \.csv or \.parquet"):
        read_log(tmp_path / "log.txt")
    (tmp_path / "log.csv").write_text(HEAD + "a,0,x,1\n")
    with pytest.raises(InvalidInputError, match="there is no column 'device' to split by"):
        read_log(tmp_path / "log.csv", ("device",))
