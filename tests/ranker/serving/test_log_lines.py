"""What a log line says, and what it must not say."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from ranker.serving.call_ids import REQUEST_ID, TRACE
from ranker.serving.log_lines import (
    OURS,
    JsonLines,
    LogFormat,
    LogLevel,
    TextLines,
    log_to_stderr,
    without_secrets,
)


@pytest.fixture
def call():
    tokens = REQUEST_ID.set("r-1"), TRACE.set(None)
    yield
    REQUEST_ID.reset(tokens[0])
    TRACE.reset(tokens[1])


def record(message="ready", *arguments, **attributes):
    made = logging.LogRecord("ranker.x", logging.WARNING, __file__, 1, message, arguments, None)
    made.created = 0.25
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


@pytest.mark.usefixtures("call")
def test_a_json_line_has_the_time_the_message_and_the_fields():
    line = json.loads(JsonLines().format(record("%s is ü", "x", fields={"seconds": 0.5})))
    assert line == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "WARNING",
        "logger": "ranker.x",
        "message": "x is ü",
        "request_id": "r-1",
        "seconds": 0.5,
    }


@pytest.mark.usefixtures("call")
def test_a_text_line_says_the_same():
    line = TextLines().format(record(fields={"seconds": 0.5}))
    assert line == "1970-01-01T00:00:00.250+00:00 WARNING ready request_id=r-1 seconds=0.5"


def test_outside_of_a_call_there_are_no_ids():
    assert "request_id" not in json.loads(JsonLines().format(record()))


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()])
def test_a_record_of_many_lines_and_a_traceback_are_kept(lines):
    try:
        raise ValueError("postgresql://me:hunter2@db/events")
    except ValueError:
        text = lines.format(record("one\ntwo", exc_info=sys.exc_info()))
    assert "ValueError" in text
    assert "hunter2" not in text
    if isinstance(lines, JsonLines):
        assert "\n" not in text
        assert "Traceback" in json.loads(text)["exception"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://me:hunter2@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("a 'postgresql+psycopg://me:p@ss:w/rd@db/x' b", "a 'postgresql+psycopg://me:***@db/x' b"),
        (
            "postgresql://db/x?user=me&password=hunter2&port=1",
            "postgresql://db/x?user=me&password=***&port=1",
        ),
        ("host=db password=hunter2 user=me", "host=db password=*** user=me"),
        ("authorization: Bearer aB3-_.~+/== sent", "authorization: Bearer *** sent"),
        (
            "http://collector:4317 is away, me@here asks: 10:30",
            "http://collector:4317 is away, me@here asks: 10:30",
        ),
    ],
)
def test_passwords_and_tokens_are_hidden_and_nothing_else(text, hidden):
    assert without_secrets(text) == hidden


def test_debug_is_for_our_own_lines_only(capsys):
    root = logging.getLogger()
    before = root.level, list(root.handlers), [logging.getLogger(name).level for name in OURS]
    try:
        log_to_stderr(LogFormat.JSON, LogLevel.DEBUG)
        logging.getLogger("ranker.x").debug("ours")
        logging.getLogger("numba.x").debug("theirs")
        logging.getLogger("numba.x").info("news")
    finally:
        root.handlers[:] = before[1]
        root.setLevel(before[0])
        for name, level in zip(OURS, before[2], strict=True):
            logging.getLogger(name).setLevel(level)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["ours", "news"]
