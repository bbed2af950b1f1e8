"""Who may call what: bearer tokens with scopes, checked before anything of a call is read.

The tokens file holds only hashes:

    {"ads frontend": {"sha256": "<64 hex digits>", "scopes": ["rank", "report"]}}

`adranker token` writes it. It is read anew when it changes, so a token is revoked by taking its entry out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import code_pb2
from grpc_status import rpc_status

from ranker.errors import ForbiddenError, InvalidInputError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ranker.serving.error_table import ErrorTable
    from ranker.serving.metrics import Metrics

SCHEME = "Bearer "
TOKEN_BYTES = 32
HEALTH = "/grpc.health.v1.Health/"


class Scope(StrEnum):
    """What a token is good for."""

    RANK = "rank"
    REPORT = "report"
    ADMIN = "admin"  # reflection too


SCOPES = {
    "/ads.ranker.v1.RankerService/": Scope.RANK,
    "/ads.ranker.v1.LearnerService/": Scope.REPORT,
}


@dataclass(frozen=True, slots=True)
class Token:
    """One entry of the tokens file."""

    name: str
    sha256: str
    scopes: frozenset[Scope]

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            # Not the value: it may be the token itself, pasted in place of its hash.
            found = f"{len(self.sha256)} characters"
            raise InvalidInputError(f"tokens.{self.name}.sha256", found, "must be 64 hex digits")
        if not self.scopes:
            raise InvalidInputError(f"tokens.{self.name}.scopes", [], f"must name some of {', '.join(Scope)}")


def digest(token: str) -> str:
    """Returns what the file holds of a token. Tokens are long and random, so a plain hash protects them."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Reads the tokens file; raises InvalidInputError naming the entry that is wrong."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInputError(
            "tokens", str(path), "does not exist: make it with `adranker token`"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError("tokens", str(path), f"is not JSON: {error}") from None
    if not isinstance(entries, dict):
        raise InvalidInputError("tokens", str(path), "must be an object of tokens by name")
    return tuple(_token(name, entry) for name, entry in entries.items())


def _token(name: str, entry: Any) -> Token:
    if not isinstance(entry, dict) or set(entry) != {"sha256", "scopes"}:
        # Not the value of a string: it may be the token itself.
        found = sorted(entry) if isinstance(entry, dict) else type(entry).__name__
        raise InvalidInputError(f"tokens.{name}", found, "must have sha256 and scopes")
    unknown = [scope for scope in entry["scopes"] if scope not in set(Scope)]
    if unknown:
        raise InvalidInputError(f"tokens.{name}.scopes", unknown[0], f"must be one of {', '.join(Scope)}")
    return Token(name, str(entry["sha256"]), frozenset(Scope(scope) for scope in entry["scopes"]))


def add_token(path: Path, name: str, scopes: Iterable[Scope]) -> str:
    """Writes a new token's hash into the file and returns the token, which is kept nowhere."""
    known = read_tokens(path) if path.exists() else ()
    if any(token.name == name for token in known):
        raise InvalidInputError("name", name, "has a token already: revoke it first, or take another name")
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    tokens = (*known, Token(name, digest(secret), frozenset(scopes)))
    entries = {t.name: {"sha256": t.sha256, "scopes": sorted(t.scopes)} for t in tokens}
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
    return secret


class TokenTable:
    """The tokens in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = path.stat().st_mtime_ns if path.exists() else 0
        self._tokens = read_tokens(path)

    def poll(self) -> None:
        """Reads the file where it has changed; after an InvalidInputError the tokens before stay in force."""
        changed_at = self._path.stat().st_mtime_ns if self._path.exists() else 0
        if changed_at != self._read_at:
            self._read_at = changed_at
            self._tokens = read_tokens(self._path)

    def check(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Raises UnauthenticatedError without a known token, ForbiddenError without the method's scope."""
        headers = {key: value for key, value in metadata if key == "authorization"}
        given = headers.get("authorization", "")
        if not isinstance(given, str) or not given.startswith(SCHEME):
            raise UnauthenticatedError("authorization", "", "must be 'Bearer <token>'")
        hashed = digest(given.removeprefix(SCHEME))
        found = [token for token in self._tokens if hmac.compare_digest(token.sha256, hashed)]
        if not found:
            raise UnauthenticatedError("authorization", "Bearer …", "the token is not known here")
        scope = next((s for prefix, s in SCOPES.items() if method.startswith(prefix)), Scope.ADMIN)
        if scope not in found[0].scopes:
            has = ", ".join(sorted(found[0].scopes))
            raise ForbiddenError("scope", scope.value, f"the token {found[0].name!r} has only: {has}")


class AccessInterceptor(grpc.ServerInterceptor):
    """Turns away calls without the right token; health checks pass."""

    def __init__(self, tokens: TokenTable, metrics: Metrics, errors: ErrorTable) -> None:
        self._tokens = tokens
        self._metrics = metrics
        self._errors = errors

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Returns the method's handler, or one that refuses."""
        handler = continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(HEALTH):
            return handler
        try:
            self._tokens.check(method, handler_call_details.invocation_metadata)
        except (UnauthenticatedError, ForbiddenError) as error:
            status = self._errors.status(error)
            code = code_pb2.Code.Name(status.code)
            self._metrics.refused.labels(code).inc()
            return refusing(handler, lambda context: context.abort_with_status(rpc_status.to_status(status)))
        return handler


def refusing(handler: Any, refuse: Callable[[grpc.ServicerContext], None]) -> Any:
    """Returns a handler of the same kind that turns each call away, unread."""

    def behavior(_: Any, context: grpc.ServicerContext) -> None:
        refuse(context)

    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(behavior)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(behavior)
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(behavior)
    return grpc.unary_unary_rpc_method_handler(behavior)
