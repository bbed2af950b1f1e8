"""When a home is read again."""

from __future__ import annotations

import pytest

from ranker.errors import InvalidInputError
from ranker.home import Home
from ranker.serving.home_loader import HomeLoader

SCHEMA = 'schema_id = "s"\nlabel = "click"\n[[fields]]\nname = "x"\nkind = "numeric"\nscope = "candidate"\n'


def test_an_unchanged_home_is_not_read_again(tmp_path, monkeypatch):
    home = Home(tmp_path)
    home.schemas.mkdir()
    (home.schemas / "s.toml").write_text(SCHEMA)
    load = HomeLoader(home)
    first = load(None)
    monkeypatch.setattr("ranker.serving.home_loader.load_snapshot", None)
    assert load(first) is first


def test_a_new_file_is_taken_up(tmp_path):
    home = Home(tmp_path)
    home.schemas.mkdir()
    load = HomeLoader(home)
    first = load(None)
    (home.schemas / "s.toml").write_text(SCHEMA)
    assert list(load(first).schemas) == ["s"]


def test_what_could_not_be_loaded_is_tried_again(tmp_path):
    home = Home(tmp_path)
    home.schemas.mkdir()
    load = HomeLoader(home)
    first = load(None)
    (home.schemas / "s.toml").write_text("schema_id =")
    for _ in range(2):
        with pytest.raises(InvalidInputError):
            load(first)
