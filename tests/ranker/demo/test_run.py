"""The demo from an empty directory to the report, on a few hundred requests and a real server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from ranker.demo.home import prepare_home
from ranker.demo.run import run_demo
from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

NUM_REQUESTS = 240


def test_the_demo_serves_judges_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.html"
    run_demo(tmp_path / "home", report, num_requests=NUM_REQUESTS, as_json=True)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert found["server_exit_status"] == 0
    assert found["slates"]["num_requests"] == found["creatives"]["num_requests"] == NUM_REQUESTS
    assert all(limit["met_ratio"] == 1 for limit in found["slates"]["constraints"])
    # The second round was answered from the posterior that the first one taught.
    assert found["creatives"]["num_versions"] >= 2
    assert found["evaluation"]["pooled"]["verdict"] == "not_answerable"
    assert found["evaluation"]["pooled"]["diagnostics"]["num_rows"] == NUM_REQUESTS

    page = report.read_text()
    assert page.count("<svg") == 6
    assert "CC BY 4.0" in page
    assert "Apache License 2.0" in page
    # Self-contained: nothing is loaded from elsewhere.
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)

    stamp = tmp_path / "home" / "demo_inputs.json"
    before = stamp.stat().st_mtime_ns
    prepare_home(tmp_path / "home")
    assert stamp.stat().st_mtime_ns == before


def test_more_requests_than_logged_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="requests"):
        run_demo(tmp_path, tmp_path / "report.html", num_requests=10_001)
