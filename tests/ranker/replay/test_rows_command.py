"""`adranker replay` and `adranker gate` on rows of every format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from ranker.cli import app
from ranker.errors import InvalidInputError, NotFoundError
from ranker.replay.policy_file import frequencies, is_row_policy, read_row_policy
from ranker.replay.readers import read_frame
from tests.ranker.rerun.logs import request, write_log

N = 600
RNG = np.random.default_rng(3)
ACTION = RNG.integers(2, size=N)
PROPENSITY = np.where(ACTION == 1, 0.25, 0.75)
REWARD = (RNG.random(N) < np.where(ACTION == 1, 0.6, 0.2)).astype(float)
TARGET = np.where(ACTION == 1, 0.75, 0.25)
# IPS of a policy that swaps the chances: the same on each format.
VALUE = float((TARGET / PROPENSITY * REWARD).mean())


def table() -> pa.Table:
    columns = {"action": ACTION.astype(str), "reward": REWARD, "propensity": PROPENSITY, "target": TARGET}
    return pa.table(columns)


def write(kind: str, folder: Path) -> Path:
    folder.mkdir()
    if kind == "parquet":
        parquet.write_table(table(), folder / "log.parquet", row_group_size=100)
    elif kind == "csv":
        csv.write_csv(table(), folder / "log.csv")
    elif kind == "open_bandit":
        names = ["item_id", "click", "propensity_score", "target"]
        renamed = table().rename_columns(names).append_column("position", pa.array(np.ones(N, int)))
        csv.write_csv(renamed, folder / "log.csv")
    elif kind == "dsjson":
        rows = zip(ACTION.tolist(), REWARD.tolist(), PROPENSITY.tolist(), TARGET.tolist(), strict=True)
        lines = [
            json.dumps(
                {
                    "_label_cost": -r,
                    "_label_probability": p,
                    "_labelIndex": a,
                    "c": {"target": t},
                    "EventId": str(i),
                }
            )
            for i, (a, r, p, t) in enumerate(rows)
        ]
        (folder / "log.dsjson").write_text("\n".join(lines))
    return folder


def policies(folder: Path) -> list[str]:
    (folder / "a.toml").write_text('name = "by column"\ncolumn = "target"')
    (folder / "b.toml").write_text('name = "by chances"\n[chances]\n"0" = [0.25]\n"1" = [0.75]')
    return ["--policy", str(folder / "a.toml"), "--policy", str(folder / "b.toml")]


def ask(*arguments: str) -> dict[str, object]:
    found = CliRunner().invoke(app, [*arguments, "--json"])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    answer: dict[str, object] = json.loads(found.stdout)
    return answer


@pytest.mark.parametrize("kind", ["parquet", "csv", "open_bandit", "dsjson"])
def test_every_format_gives_the_same_value(tmp_path: Path, kind: str) -> None:
    log = write(kind, tmp_path / "log")
    found = ask("replay", str(log), *policies(tmp_path), "--out", str(tmp_path / "out"))
    assert found["num_rows"] == N
    for each in found["policies"]:  # type: ignore[attr-defined]
        assert each["estimates"]["IPS"]["value"] == pytest.approx(VALUE, rel=1e-12)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "by chances" in page
    assert page.count("<svg") == 1 + (kind == "parquet")  # six row groups: drift along them


@pytest.mark.parametrize("kind", ["parquet", "csv", "open_bandit", "dsjson"])
def test_the_gate_takes_every_format_and_a_policy_file(tmp_path: Path, kind: str) -> None:
    log = write(kind, tmp_path / "log")
    policies(tmp_path)
    for number, candidate in enumerate(("target", str(tmp_path / "b.toml"))):
        state = str(tmp_path / f"state-{number}.json")
        found = ask("gate", str(log), "--state", state, "--max-weight", "3", "--candidate", candidate)
        assert found["rows"] == N
        assert found["candidate_value"] == pytest.approx(VALUE, rel=1e-12)


def test_rows_of_our_own_export_are_weighed_too(tmp_path: Path) -> None:
    write_log(tmp_path, [request(i) for i in range(500)], clicks=lambda d: float(d.shown[0].ctr > 0.3))
    (tmp_path / "p.toml").write_text('name = "first"\n[chances]\nad0 = [1.0]')
    out = ["--out", str(tmp_path / "out"), "--segment", "device"]
    found = ask("replay", str(tmp_path / "log"), "--policy", str(tmp_path / "p.toml"), *out)
    assert (found["num_rows"], found["logged_value"]) == (500, pytest.approx(0.6, abs=0.15))
    (policy,) = found["policies"]  # type: ignore[misc]
    assert policy["estimates"]["SNIPS"]["value"] == 1.0  # ad0 is clicked whenever it is shown
    assert {each["name"] for each in policy["segments"]} == {"1", "2"}


def test_the_digest_is_the_same_on_ray_or_it_says_what_to_install(tmp_path: Path) -> None:
    arguments = ["replay", str(write("parquet", tmp_path / "log")), *policies(tmp_path)]
    arguments += ["--out", str(tmp_path / "out")]
    try:
        import ray
    except ModuleNotFoundError:
        with pytest.raises(InvalidInputError, match=r"adranker\[cluster\]"):
            ask(*arguments, "--engine", "ray")
        return
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        on_ray = ask(*arguments, "--engine", "ray")
    finally:
        ray.shutdown()
    assert on_ray == ask(*arguments)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("name = ''\ncolumn = 'a'", "name"),
        ("name = 'a'\ncolumn = 'a'\n[chances]\nx = [1.0]", "policy"),
        ("name = 'a'\n[chances]\nx = [0.5]", "sum to 1"),
        ("name = 'a'\ncolum = 'a'", "colum"),
    ],
)
def test_a_broken_policy_file_is_named(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=field):
        read_row_policy(path)


def test_rows_and_requests_are_judged_apart(tmp_path: Path) -> None:
    given = policies(tmp_path)
    (tmp_path / "c.toml").write_text("name = 'c'\nlimits = { first = 0.5 }")
    assert not is_row_policy(tmp_path / "c.toml")
    with pytest.raises(InvalidInputError, match=r"c\.toml"):
        ask("replay", str(write("csv", tmp_path / "log")), *given, "--policy", str(tmp_path / "c.toml"))
    with pytest.raises(InvalidInputError, match="engine"):
        ask("replay", str(tmp_path / "log"), "--policy", str(tmp_path / "c.toml"), "--engine", "ray")


def test_frequencies_are_shares_of_each_position() -> None:
    columns = {"action": ["a", "b", "a", "a"], "reward": [0.0] * 4, "propensity": [0.5] * 4}
    batch = read_frame(columns | {"position": [0, 0, 0, 1]})
    assert frequencies([batch, batch]) == {"a": (2 / 3, 1.0), "b": (1 / 3, 0.0)}


def test_rows_without_a_policy_of_rows_say_what_is_missing(tmp_path: Path) -> None:
    log = write("csv", tmp_path / "log")
    with pytest.raises(NotFoundError, match="a --policy that says column, chances or frequencies_of"):
        ask("replay", str(log))
