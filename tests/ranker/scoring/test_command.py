from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from ranker.scoring.command import train_ctr_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEARNING = ("sklearn", "matplotlib", "onnx", "pandas", "torch", "grpc", "google.protobuf")


@pytest.fixture
def run(make_log: Callable[..., Any], tmp_path: Path) -> Callable[..., str]:
    files = make_log(tmp_path / "log", 400, base=0.0)
    app = typer.Typer()
    app.command()(train_ctr_command)

    def call(*more: str) -> str:
        arguments = [str(files.data), "--schema", str(files.schema), "--out", str(tmp_path / "models"), *more]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    return call


def test_the_command_prints_one_line_of_json(run: Callable[..., str], tmp_path: Path) -> None:
    (line,) = run("--json", "--seed", "3").splitlines()
    result = json.loads(line)
    assert result["directory"] == str(tmp_path / "models" / "shop" / result["model_version"])
    assert set(result["metrics"]) >= {"log_loss", "auc", "pr_auc", "expected_calibration_error"}


def test_the_command_prints_a_table_for_people(run: Callable[..., str]) -> None:
    output = run()
    assert "log loss" in output
    assert "95 % interval" in output
    assert "models" in output


@pytest.mark.parametrize("module", ["command", "onnx_scorer", "model_store", "protocol", "schema_file"])
def test_serving_starts_without_what_learns(module: str) -> None:
    script = (
        f"import sys, ranker.scoring.{module}; print([name for name in {LEARNING!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
