"""Settings of the server: the only module that reads the environment."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ranker.errors import InvalidInputError
from ranker.events.settings import Durability
from ranker.serving.log_lines import LogFormat, LogLevel

MAX_SECONDS = 1e8  # three years


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What an operator decides. Each field can be set by the variable ADRANKER_<FIELD>."""

    # Directory of schemas, models, creatives and events.
    home: Path = Path("var/serve")
    # Where the service listens; port 0 takes a free one.
    host: str = "127.0.0.1"
    port: int = 50051
    # Where Prometheus scrapes; port 0 takes a free one.
    metrics_port: int = 9464
    # Threads that answer calls. More only queue for the interpreter lock, where deadlines cannot be seen.
    num_workers: int = 2
    # Outcome streams open at once, each in a thread of its own; beyond, RESOURCE_EXHAUSTED.
    max_report_streams: int = 8
    # Calls that may wait or be answered at once, streams included; beyond, gRPC answers RESOURCE_EXHAUSTED in
    # microseconds. Take what can be answered within your callers' deadline: deadline × calls a second.
    max_concurrent_calls: int = 40
    # Whether a call whose deadline leaves no time for the answer is refused at once, with RESOURCE_EXHAUSTED.
    admission: bool = True
    # Larger messages are refused.
    max_message_bytes: int = 4 * 1024 * 1024
    # Share of requests answered with a uniformly random slate.
    exploration_ratio: float = 0.02
    # Share of requests kept in full beside their decisions, which `replay-decision` and `explain` need.
    capture_ratio: float = 1.0
    # When a response may leave: committed (in the database, survives a killed process), synced (on the disk,
    # survives a power cut) or queued (a killed process loses the queue).
    durability: str = "committed"
    # postgresql://user:password@host:5432/database of the events; empty keeps them in the home.
    events_url: str = field(default="", repr=False)
    # kafka://host:9092,host:9092/topic: decisions and outcomes are published there, and `adranker consume`
    # writes them into the events; empty: the server does so itself.
    bus_url: str = ""
    # TOML file with librdkafka's properties of SASL and TLS, passwords included.
    bus_security: Path | None = None
    # An outcome counts for its decision for so long.
    window_seconds: float = 1800.0
    # Captured requests and decisions, with all that belongs to them, are deleted when they are older.
    keep_requests_seconds: float = math.inf
    keep_decisions_seconds: float = math.inf
    # Whether what no `adranker export` has written stays, however old.
    keep_unexported: bool = True
    # How often new models and posteriors are looked for.
    reload_seconds: float = 1.0
    # How long calls are still taken after SIGTERM, while health says NOT_SERVING: longer than your load
    # balancer takes to notice.
    notice_seconds: float = 0.0
    # How long accepted calls may take to finish after SIGTERM.
    drain_seconds: float = 20.0
    # Whether tools may list the services and methods.
    reflection: bool = True
    # Whether AdminService answers.
    admin: bool = True
    # PEM files of the server's certificate; without them everything travels in the clear.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    # PEM file: callers must show a certificate signed by it.
    tls_client_ca: Path | None = None
    # Tokens file of `adranker token`: callers must show a token with the scope. Needs TLS.
    tokens: Path | None = None
    # How log lines read, text or json, and the least important written: debug, info, warning, error.
    log_format: str = "text"
    log_level: str = "info"
    # Where spans of sampled calls go: http://host:4317 of an OpenTelemetry collector. Empty: there are none.
    otlp_endpoint: str = ""
    # Share of the calls without a `traceparent` that are sampled; those with one say themselves.
    trace_ratio: float = 0.0

    def __post_init__(self) -> None:
        self._check_protection()
        self._check_observation()
        self._check_seconds()
        for name in ("port", "metrics_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise InvalidInputError(name, getattr(self, name), "must lie in 0 … 65535")
        if self.durability not in set(Durability):
            raise InvalidInputError("durability", self.durability, f"must be one of {', '.join(Durability)}")
        for name in ("num_workers", "max_report_streams", "max_concurrent_calls", "max_message_bytes"):
            if getattr(self, name) < 1:
                raise InvalidInputError(name, getattr(self, name), "must be at least 1")
        for name in ("capture_ratio", "trace_ratio"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InvalidInputError(name, getattr(self, name), "must lie in [0, 1]")

    def _check_observation(self) -> None:
        for name, kind in (("log_format", LogFormat), ("log_level", LogLevel)):
            if getattr(self, name) not in set(kind):
                raise InvalidInputError(name, getattr(self, name), f"must be one of {', '.join(kind)}")
        if self.otlp_endpoint and not self.otlp_endpoint.startswith(("http://", "https://")):
            raise InvalidInputError(
                "otlp_endpoint", self.otlp_endpoint, "must start with http:// or https:// (TLS)"
            )

    def _check_seconds(self) -> None:
        for name in ("window_seconds", "reload_seconds", "drain_seconds"):
            if not 0 < getattr(self, name) <= MAX_SECONDS:
                raise InvalidInputError(name, getattr(self, name), f"must lie in (0, {MAX_SECONDS:g}]")
        if not 0 <= self.notice_seconds <= MAX_SECONDS:
            raise InvalidInputError(
                "notice_seconds", self.notice_seconds, f"must lie in [0, {MAX_SECONDS:g}]"
            )

    def _check_protection(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise InvalidInputError("tls_key", str(self.tls_key), "certificate and key come together")
        for name in ("tls_client_ca", "tokens"):
            value = getattr(self, name)
            if value is not None and self.tls_certificate is None:
                raise InvalidInputError(
                    name, str(value), "needs tls_certificate: else secrets travel in the clear"
                )


def settings_from_environment(**given: Any) -> ServerSettings:
    """Returns the settings: what is given and not None, else the environment's, else the default."""
    types = get_type_hints(ServerSettings)
    values = {}
    for setting in fields(ServerSettings):
        variable = f"ADRANKER_{setting.name.upper()}"
        if given.get(setting.name) is not None:
            values[setting.name] = given[setting.name]
        elif variable in os.environ:
            values[setting.name] = _parsed(variable, os.environ[variable], types[setting.name])
    return ServerSettings(**values)


def _parsed(variable: str, text: str, kind: Any) -> Any:
    if Path in get_args(kind):  # Path | None
        return Path(text)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise InvalidInputError(variable, text, "must be true or false")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError:
        raise InvalidInputError(variable, text, f"must be {kind.__name__}") from None
