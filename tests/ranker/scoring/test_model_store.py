from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ranker.errors import NotFoundError
from ranker.scoring.card import Card, read_card
from ranker.scoring.model_store import find_models, model_directories, write_model
from ranker.scoring.schema import FeatureSchema, Field

SCHEMA = FeatureSchema("shop", "click", (Field("price", "numeric", "candidate"),))
CARD = Card("v1", datetime(2020, 1, 2, tzinfo=UTC), SCHEMA, {})


def test_a_model_is_a_directory_of_schema_and_version(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "models", CARD, b"net", {"plot.png": b"png"})
    assert directory == tmp_path / "models" / "shop" / "v1"
    assert sorted(path.name for path in directory.iterdir()) == ["card.json", "model.onnx", "plot.png"]
    assert (directory / "model.onnx").read_bytes() == b"net"
    assert read_card(directory) == CARD


def test_the_newest_by_its_card_is_found_whatever_the_file_times(tmp_path: Path) -> None:
    later = replace(CARD, model_version="v0", created_at=CARD.created_at + timedelta(days=1))
    other = replace(CARD, schema=replace(SCHEMA, schema_id="news"))
    newest = write_model(tmp_path, later, b"net", {})
    old = write_model(tmp_path, CARD, b"net", {})
    os.utime(newest / "card.json", (0, 0))
    news = write_model(tmp_path, other, b"net", {})
    assert find_models(tmp_path) == {"shop": newest, "news": news}
    assert model_directories(tmp_path) == {"shop": [old, newest], "news": [news]}


def test_writing_the_same_version_again_renews_its_card(tmp_path: Path) -> None:
    write_model(tmp_path, CARD, b"net", {})
    renewed = replace(CARD, created_at=CARD.created_at + timedelta(days=1))
    directory = write_model(tmp_path, renewed, b"net", {})
    assert read_card(directory) == renewed
    assert [path.name for path in directory.parent.iterdir()] == ["v1"]


def test_a_model_half_written_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        assert target == tmp_path / "shop" / "v1"
        # What is there when the directory is about to appear must be hidden from readers.
        assert (self / "card.json").exists()
        assert find_models(tmp_path) == {}
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_model(tmp_path, CARD, b"net", {})
    assert list((tmp_path / "shop").iterdir()) == []


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="none': no such directory"):
        find_models(tmp_path / "none")
