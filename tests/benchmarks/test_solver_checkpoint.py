from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.solver_checkpoint import Checkpoint


def fail() -> None:
    raise AssertionError("measured twice")


def test_a_row_is_measured_once_over_many_runs(tmp_path: Path) -> None:
    path = str(tmp_path / "rows")
    assert Checkpoint(path, {"n": (1, 2)}, 9.0).row("a", lambda: {"cell": (1, 2)}) == {"cell": [1, 2]}
    assert Checkpoint(path, {"n": (1, 2)}, 9.0).row("a", fail) == {"cell": [1, 2]}


def test_no_row_is_begun_when_the_time_is_up(tmp_path: Path) -> None:
    path = str(tmp_path / "rows")
    Checkpoint(path, {}, 9.0).row("a", lambda: 1)
    late = Checkpoint(path, {}, -1.0)
    assert late.row("a", fail) == 1
    with pytest.raises(SystemExit, match="1 rows are done"):
        late.row("b", fail)


def test_rows_of_another_question_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "rows")
    Checkpoint(path, {"instances": 200}, 9.0)
    with pytest.raises(ValueError, match="not with"):
        Checkpoint(path, {"instances": 20}, 9.0)
