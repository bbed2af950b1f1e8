"""What the benchmark of kills finds wrong, one at a time."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchmarks.kills_check import Lineage, Verdict

KEPT = Verdict(0, 0, 0, 0, 0, 100, 40, 0, 7, 3, 1e-12, 2.0)
FAULTS = [each.name for each in fields(Verdict)[:5]] + ["num_unlearned", "posterior_max_difference"]


def test_a_run_that_kept_everything_holds_whatever_other_batches_would_have_given() -> None:
    assert KEPT.holds


@pytest.mark.parametrize("fault", FAULTS)
def test_any_single_fault_fails_the_run(fault: str) -> None:
    assert not replace(KEPT, **{fault: 1}).holds


def test_the_lineage_tells_the_ends_of_batches_though_old_posteriors_are_deleted(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    try:
        for name, parent, sequence in (("a", "", 0), ("b", "a", 120), ("c", "b", 300)):
            (tmp_path / name).mkdir()
            text = json.dumps({"parent": parent, "sequence": sequence})
            (tmp_path / name / "manifest.json").write_text(text)
            lineage.look()
            (tmp_path / name / "manifest.json").unlink()
    finally:
        lineage.close()
    assert lineage.sequences("c") == [0, 120, 300]
