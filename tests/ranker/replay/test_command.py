"""`adranker gate`, as CI runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from ranker.cli import app
from ranker.errors import RankerError

BOTH = ["--candidate", "new", "--incumbent", "old", "--max-weight", "2", "--max-incumbent-weight", "2"]


def _write_days(folder: Path, new: float, days: int, per_day: int = 2000) -> None:
    rng = np.random.default_rng(1)
    folder.mkdir(exist_ok=True)
    for day in range(days):
        candidate = rng.random(per_day) < 0.5
        reward = (rng.random(per_day) < np.where(candidate, new, 0.2)).astype(float)
        columns = {
            "action": np.where(candidate, "b", "a"),
            "reward": reward,
            "propensity": np.full(per_day, 0.5),
            "new": candidate.astype(float),
            "old": 1.0 - candidate,
        }
        parquet.write_table(pa.table(columns), folder / f"day-{day:03d}.parquet")


def _ask(folder: Path, *more: str) -> tuple[int, dict[str, object]]:
    state = folder.with_suffix(".json")
    found = CliRunner().invoke(app, ["gate", str(folder), "--state", str(state), *BOTH, "--json", *more])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, json.loads(found.stdout)


def test_the_exit_status_says_whether_the_candidate_may_go_live(tmp_path: Path) -> None:
    log = tmp_path / "better"
    _write_days(log, new=0.3, days=1)
    status, summary = _ask(log)
    assert (status, summary["decision"], summary["rows"]) == (1, "wait", 2000)
    _write_days(log, new=0.3, days=8)
    status, summary = _ask(log)
    assert (status, summary["decision"], summary["rows"]) == (0, "promote", 16_000)
    assert summary["difference"] == pytest.approx(0.1, abs=0.03)


def test_a_worse_candidate_never_passes(tmp_path: Path) -> None:
    log = tmp_path / "worse"
    _write_days(log, new=0.1, days=8)
    status, summary = _ask(log)
    assert (status, summary["decision"]) == (1, "reject")


def test_another_level_midway_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    _write_days(log, new=0.2, days=1)
    _ask(log)
    with pytest.raises(RankerError, match="level"):
        _ask(log, "--level", "0.5")


def test_a_propensity_that_is_none_is_named(tmp_path: Path) -> None:
    columns = {"action": ["a"], "reward": [1.0], "propensity": [0.5], "new": [1.5], "old": [0.0]}
    parquet.write_table(pa.table(columns), tmp_path / "log.parquet")
    with pytest.raises(RankerError, match=r"new\[0\] = 1.5"):
        _ask(tmp_path / "log.parquet")


def test_a_missing_bound_of_the_incumbent_is_refused(tmp_path: Path) -> None:
    arguments = ["gate", str(tmp_path), "--state", "s", "--max-weight", "2", "--incumbent", "old"]
    found = CliRunner().invoke(app, arguments)
    assert "max_incumbent_weight" in str(found.exception)
