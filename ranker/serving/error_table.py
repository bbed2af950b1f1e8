"""How errors read on the wire: google.rpc.Status with the field and the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from ads.ranker.v1 import ranker_pb2
from ranker.errors import (
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    StateError,
    UnauthenticatedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

DOMAIN = "adranker"
# Errors travel as HTTP/2 trailers, which clients cap at 8 KiB: longer ones would arrive as another error.
MAX_VALUE_LENGTH = 256
MAX_MESSAGE_LENGTH = 1024


class FieldError(Protocol):
    """What every error that reaches the wire carries."""

    field: str
    value: object


class ErrorTable:
    """Maps error classes to gRPC codes; a subclass without an entry takes its ancestor's.

    `others` adds the error classes of other packages; they carry `field` and `value` as ours do.
    """

    def __init__(self, others: Mapping[type[Exception], int] | None = None) -> None:
        self._codes: dict[type[Exception], int] = {
            InvalidInputError: code_pb2.INVALID_ARGUMENT,
            NotFoundError: code_pb2.NOT_FOUND,
            StateError: code_pb2.FAILED_PRECONDITION,
            OverloadedError: code_pb2.RESOURCE_EXHAUSTED,
            UnauthenticatedError: code_pb2.UNAUTHENTICATED,
            ForbiddenError: code_pb2.PERMISSION_DENIED,
            **(others or {}),
        }
        self.expected: tuple[type[Exception], ...] = tuple(self._codes)

    def code(self, error: Exception) -> int:
        """Returns the google.rpc.Code of an expected error."""
        return next(self._codes[kind] for kind in type(error).__mro__ if kind in self._codes)

    def status(self, error: Exception) -> status_pb2.Status:
        """Writes an expected error: BadRequest names the field, ErrorInfo the value too."""
        field, value = _field_and_value(error)
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=_message(error))
        info = error_details_pb2.ErrorInfo(
            reason=type(error).__name__, domain=DOMAIN, metadata={"field": field, "value": value}
        )
        details: list[Message] = [error_details_pb2.BadRequest(field_violations=[violation]), info]
        if isinstance(error, OverloadedError):
            details.append(_retry_info(error.retry_seconds))
        return status_pb2.Status(
            code=self.code(error), message=_message(error), details=[_packed(detail) for detail in details]
        )

    def item_error(self, error: Exception) -> ranker_pb2.RankError:
        """Writes an expected error as one item of a batch."""
        field, value = _field_and_value(error)
        return ranker_pb2.RankError(code=self.code(error), field=field, value=value, message=_message(error))


def _field_and_value(error: Exception) -> tuple[str, str]:
    ours = cast("FieldError", error)
    return _cut(ours.field, MAX_VALUE_LENGTH), _cut(str(ours.value), MAX_VALUE_LENGTH)


def _retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromNanoseconds(int(1e9 * seconds))
    return info


def _message(error: Exception) -> str:
    return _cut(str(error), MAX_MESSAGE_LENGTH)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
