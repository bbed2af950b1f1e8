"""Where the bus is and how it is reached: a URL that holds no secrets, and a file that may."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ranker.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_URL = re.compile(r"kafka://(?P<brokers>[^/@\s]+)/(?P<topic>[\w.-]{1,200})", re.ASCII)
_BROKER = re.compile(r"(\[[0-9a-f:]+\]|[\w.-]+):\d{1,5}", re.ASCII | re.IGNORECASE)
# What an operator may set. All else decides whether anything can be lost.
_FREE = ("security.", "sasl.", "ssl.", "client.", "socket.", "broker.address.")
_FORM = "must look like kafka://host:9092,host:9092/topic"


@dataclass(frozen=True, slots=True)
class Bus:
    """A topic of a Kafka cluster. `security` are properties of librdkafka; they may hold passwords."""

    brokers: str  # host:port, separated by commas
    topic: str
    security: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def dead_letters(self) -> str:
        """The topic of the records that cannot be stored."""
        return f"{self.topic}.dead-letters"

    def __str__(self) -> str:
        return f"kafka://{self.brokers}/{self.topic}"


def parse_bus(url: str, security: Path | None = None) -> Bus:
    """Reads the address; errors never show what may be a password."""
    if "@" in url:
        raise InvalidInputError("bus_url", "(hidden)", f"{_FORM}: passwords belong in the file bus_security")
    found = _URL.fullmatch(url)
    if found is None or not all(_BROKER.fullmatch(each) for each in found["brokers"].split(",")):
        raise InvalidInputError("bus_url", url, _FORM)
    return Bus(found["brokers"], found["topic"], {} if security is None else _read_security(security))


def _read_security(path: Path) -> dict[str, str]:
    """Reads properties of librdkafka from TOML, paths relative to the file."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError("bus_security", str(path), "no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):  # whose text may show a password
        raise InvalidInputError("bus_security", str(path), "is not TOML") from None
    properties = {}
    for name, value in given.items():
        if not name.startswith(_FREE):
            raise InvalidInputError(
                "bus_security.key", name, f'must start with {", ".join(_FREE)}: write "{name}" in quotes'
            )
        if not isinstance(value, str | bool | int):
            raise InvalidInputError(
                f"bus_security.{name}", "(hidden)", "must be text, a number, true or false"
            )
        text = str(value).lower() if isinstance(value, bool) else str(value)
        properties[name] = str(path.parent / text) if name.endswith(".location") else text
    return properties
