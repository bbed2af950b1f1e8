"""How a client reaches a server: in the clear, over TLS, with a certificate or a token of its own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import grpc

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Security:
    """Files of the caller. The token is sent over TLS only."""

    root_certificates: Path | None = None  # PEM, of who signed the server's certificate; None: the system's
    certificate: Path | None = None  # PEM, the caller's own, for mTLS
    key: Path | None = None
    token_file: Path | None = None  # one line: the token

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InvalidInputError("security.key", str(self.key), "certificate and key come together")


def read_security(path: Path) -> Security:
    """Reads a TOML file with the fields of Security, paths relative to it."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInputError("security", str(path), "does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError("security", str(path), f"is not TOML: {error}") from None
    known = {field.name for field in fields(Security)}
    for name, value in given.items():
        if name not in known or not isinstance(value, str):
            raise InvalidInputError(f"security.{name}", value, f"must be a path; known are {sorted(known)}")
    return Security(**{name: path.parent / value for name, value in given.items()})


def connect(
    address: str, security: Security | None = None, options: Sequence[tuple[str, int | str]] | None = None
) -> grpc.Channel:
    """Opens a channel; without `security` it is in the clear."""
    if security is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, _credentials(security), options)


def connect_async(
    address: str, security: Security | None = None, options: Sequence[tuple[str, int | str]] | None = None
) -> grpc.aio.Channel:
    """Opens a channel of the running event loop."""
    if security is None:
        return grpc.aio.insecure_channel(address, options)
    return grpc.aio.secure_channel(address, _credentials(security), options)


def _credentials(security: Security) -> grpc.ChannelCredentials:
    credentials = grpc.ssl_channel_credentials(
        _read("root_certificates", security.root_certificates),
        _read("key", security.key),
        _read("certificate", security.certificate),
    )
    token = _read("token_file", security.token_file)
    if token is not None:
        credentials = grpc.composite_channel_credentials(
            credentials, grpc.access_token_call_credentials(token.decode().strip())
        )
    return credentials


def _read(name: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"security.{name}", str(path), f"cannot be read: {error.strerror}") from error
