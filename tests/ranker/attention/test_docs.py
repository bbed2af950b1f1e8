"""The guide's example runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "attention.md"


def test_the_example_of_the_guide_prints_a_curve(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    exec(found.group(1), {})  # noqa: S102 (our own guide)
    assert capsys.readouterr().out.startswith("[1. ")
