"""The guide's example runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "replay.md"


def test_the_example_of_the_guide_reaches_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    exec(found.group(1), {})  # noqa: S102 (our own guide)
    assert "not_answerable" in capsys.readouterr().out
