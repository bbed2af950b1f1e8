from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranker.attention.attention_file import AttentionFile, read_attention, write_attention
from ranker.attention.curve import Curve
from ranker.errors import InvalidInputError


def curve_of(*attention: float) -> Curve:
    a = np.array(attention)
    return Curve(a, a * 0.9, a * 1.1, np.full(len(a), 100.0), np.full(len(a), 7.0), -12.25)


@pytest.fixture
def file() -> AttentionFile:
    contexts = {"device=phone": curve_of(1.0, 0.5)}
    return AttentionFile(
        "harvest", "delta method", 0.95, 40, curve_of(1.0, 0.7, 1 / 3), contexts, {"tv": "why"}
    )


def test_what_is_read_is_what_was_written(file: AttentionFile, tmp_path: Path) -> None:
    path = tmp_path / "attention.json"
    write_attention(file, path)
    back = read_attention(path)
    assert back.version == file.version
    np.testing.assert_array_equal(back.attention(3), [1.0, 0.7, 1 / 3])
    np.testing.assert_array_equal(back.attention(2, "device=phone"), [1.0, 0.5])
    assert back.curve.log_likelihood == -12.25
    assert [p.name for p in tmp_path.iterdir()] == ["attention.json"]


def test_the_version_follows_the_content(file: AttentionFile) -> None:
    assert file.version == replace(file).version
    assert file.version != replace(file, level=0.9).version
    assert len(file.version) == 16


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        ((4,), "attention.num_positions = 4: the curve has 1..3"),
        ((0,), "attention.num_positions = 0: the curve has 1..3"),
        ((2, "device=car"), r"attention.context = 'device=car': has no curve: known are \['device=phone'\]"),
        ((2, "tv"), "attention.context = 'tv': has no curve: why"),
    ],
)
def test_what_the_file_does_not_have_is_named(
    file: AttentionFile, ask: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        file.attention(*ask)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"format": "adranker-attention-9"},
            "format = 'adranker-attention-9': must be 'adranker-attention-1'",
        ),
        ({"version": "0" * 16}, "version = '0000000000000000': is not the hash of the content"),
        ({"level": 0.5}, "is not the hash of the content"),
        ({"surprise": 1}, r"fields = \['surprise'\]: missing or not known"),
        ({"curve": {"attention": [1.0]}}, "curve.fields = .*missing or not known"),
        ({"curve": [1.0, 0.5]}, r"curve = \[1.0, 0.5\]: must be an object"),
        ({"contexts": []}, r"contexts = \[\]: must be an object of curves"),
    ],
)
def test_a_changed_file_is_refused(
    file: AttentionFile, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "attention.json"
    write_attention(file, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InvalidInputError, match=message):
        read_attention(path)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        ([1.0, 0.5, 0.6], r"curve.attention\[2\] = 0.6: must not exceed the position before it \(0.5\)"),
        ([1.0, 0.5, -0.1], r"curve.attention\[2\] = -0.1: must be positive"),
        ([1.0, 0.5, "x"], "curve.attention = .*must be a list of numbers"),
    ],
)
def test_a_curve_that_slates_would_not_take_is_refused(
    file: AttentionFile, tmp_path: Path, attention: list[Any], message: str
) -> None:
    path = tmp_path / "attention.json"
    write_attention(file, path)
    document = json.loads(path.read_text())
    document["curve"] |= {"attention": attention, "low": [0.0, 0.0, -1.0], "high": [2.0, 2.0, 2.0]}
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidInputError, match=message):
        read_attention(path)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "attention.json"
    path.write_text("{")
    with pytest.raises(InvalidInputError, match="is not JSON"):
        read_attention(path)
    with pytest.raises(InvalidInputError, match="does not exist"):
        read_attention(tmp_path / "nowhere.json")
