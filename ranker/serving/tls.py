"""The server's certificate: read anew when its files change, so that it is renewed without a restart."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. With `client_ca`, callers must show a certificate that it signed (mTLS)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Returns credentials that follow the files; raises InvalidInputError naming one that cannot be read."""
    lock = threading.Lock()
    seen = [_stamp(files)]
    configuration = _configuration(files)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """Asked at each handshake; None: as before."""
        with lock:
            try:
                stamp = _stamp(files)
                if stamp == seen[0]:
                    return None
                fresh = _configuration(files)
            except InvalidInputError:
                return None  # half of the files is written: the next handshake asks again
            seen[0] = stamp
            return fresh

    return grpc.dynamic_ssl_server_credentials(
        configuration,
        renewed,  # type: ignore[arg-type]  # gRPC documents that it may return None; its stubs do not
        require_client_authentication=files.client_ca is not None,
    )


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    pair = (_read("tls_key", files.key), _read("tls_certificate", files.certificate))
    roots = None if files.client_ca is None else _read("tls_client_ca", files.client_ca)
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=roots)


def _stamp(files: TlsFiles) -> tuple[int, ...]:
    paths = [path for path in (files.certificate, files.key, files.client_ca) if path is not None]
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def _read(name: str, path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(name, str(path), f"cannot be read: {error.strerror}") from error
    if b"-----BEGIN" not in content:
        raise InvalidInputError(name, str(path), "is not a PEM file")
    return content
