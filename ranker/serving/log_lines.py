"""Log lines: one record a line, as text or as a JSON object, with the ids of the call and without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ranker.serving.call_ids import call_ids


class LogFormat(StrEnum):
    """How a line reads."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least important lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


# Whose lines `debug` asks for; those of libraries begin at `info`.
OURS = ("ranker", "bandit", "nas")
# No message of ours holds a secret. Those of libraries, and tracebacks, go through here as well: passwords in
# URLs and in libpq's `password=…`, bearer tokens.
_SECRET = re.compile(
    r"""(?P<kept>://[^\s:/@'"]*:)[^\s'"]+(?=@)|(?P<name>\bpassword=)[^\s&'"]+|(?P<scheme>\bBearer\s+)[\w.~+/=-]+""",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Returns the text with passwords and bearer tokens replaced by ***."""
    return _SECRET.sub(lambda found: f"{found[found.lastgroup or 0]}***", text)


def log_to_stderr(form: LogFormat, level: LogLevel) -> None:
    """Writes all log records of this process to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else TextLines())
    number: int = getattr(logging, level.name)
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
    for package in OURS:
        logging.getLogger(package).setLevel(number)


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, the call's ids, fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        line |= _fields(record)
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """The same for people: ids and fields as name=value; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        message = without_secrets(record.getMessage())
        pairs = [f"{name}={value}" for name, value in _fields(record).items()]
        line = " ".join([_time(record), record.levelname, message, *pairs])
        if record.exc_info:
            line += "\n" + without_secrets(self.formatException(record.exc_info))
        return line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Returns the call's ids and what the record was given as `extra={"fields": …}`."""
    return call_ids() | getattr(record, "fields", {})
