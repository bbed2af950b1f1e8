"""What a ladder says of its models, and its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ranker.errors import InvalidInputError
from ranker.scoring.ladder import Ladder, Rung
from ranker.scoring.ladder_file import read_ladder, write_ladder

GOOD = Rung("good", 0.40, (10, 100), (1e-3, 10e-3))
FAST = Rung("fast", 0.45, (10,), (1e-4,))


@pytest.mark.parametrize(
    ("num_candidates", "milliseconds"), [(1, 1.0), (10, 1.0), (55, 5.5), (100, 10.0), (250, 25.0)]
)
def test_time_is_linear_between_the_predictions_and_in_proportion_beyond(num_candidates, milliseconds):
    assert 1e3 * GOOD.upper(num_candidates) == pytest.approx(milliseconds)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    ladder = Ladder("shop", (GOOD, FAST))
    path = write_ladder(tmp_path, ladder, {"device": "a processor"})
    assert read_ladder(path) == ladder
    assert json.loads(path.read_text())["details"] == {"device": "a processor"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_candidates": (10, 10)}, r"num_candidates = \(10, 10\): must be positive and rise"),
        ({"num_candidates": ()}, r"num_candidates = \(\): must be positive and rise"),
        ({"num_candidates": (0, 1)}, r"num_candidates = \(0, 1\): must be positive and rise"),
        ({"upper_seconds": (1.0,)}, r"upper_seconds = \(1.0,\): must be one a num_candidates \(2\)"),
        ({"upper_seconds": (0.0, 1.0)}, "upper_seconds = 0.0: must be positive and finite"),
        ({"log_loss": float("nan")}, "log_loss = nan: must be finite"),
    ],
)
def test_a_wrong_rung_is_refused(changes, said):
    fields = {"num_candidates": (10, 100), "upper_seconds": (1e-3, 1e-2), "log_loss": 0.4}
    with pytest.raises(InvalidInputError, match=said):
        Rung("m", **{**fields, **changes})


@pytest.mark.parametrize(
    ("rungs", "said"),
    [
        ((), "must be at least one"),
        ((GOOD, GOOD), "must differ"),
        ((FAST, GOOD), r"rungs\[good\].log_loss = 0.4: must not be below the one before"),
    ],
)
def test_a_wrong_ladder_is_refused(rungs, said):
    with pytest.raises(InvalidInputError, match=said):
        Ladder("shop", rungs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ('{"schema_id": "other", "rungs": [%s]}', "schema_id = 'other': must be 'shop'"),
        ('{"schema_id": "shop", "rungs": [%s], "speed": 1}', "key = 'speed': is unknown"),
    ],
)
def test_a_manifest_that_is_none_is_refused_by_name(tmp_path, text, said):
    rung = '{"model_version": "m", "log_loss": 0.4, "num_candidates": [1], "upper_seconds": [0.1]}'
    path = tmp_path / "shop" / "ladder.json"
    path.parent.mkdir()
    path.write_text(text.replace("%s", rung))
    with pytest.raises(InvalidInputError, match=said):
        read_ladder(path)
