"""What the clients share: retries and balancing, errors as ours, reports in messages."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ads.ranker.v1 import learner_pb2, ranker_pb2
from ranker.errors import (
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    RankerError,
    StateError,
    UnauthenticatedError,
)
from ranker.serving.answer_conversion import Answer, answer_from_proto
from ranker.serving.request_conversion import outcome_to_proto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ranker.events.records import Outcome
    from ranker.throttle import Throttle

ERRORS: dict[grpc.StatusCode, type[RankerError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: StateError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: ForbiddenError,
}
# What gRPC itself answers, before or without our code.
WITHOUT_DETAILS: dict[grpc.StatusCode, tuple[type[RankerError], str]] = {
    grpc.StatusCode.UNAVAILABLE: (StateError, "cannot be reached: try again, or another one"),
    # A closing server cuts so what it has read and not begun; nobody else cancels a call that is waited for.
    grpc.StatusCode.CANCELLED: (StateError, "closed before it answered: try again, or another one"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (OverloadedError, "has no room for the call: try again later"),
}
# Each call goes to the next address that can be reached.
# One that reached no server, or one that is closing, is made again at the next address, unless servers fail
# more often than they answer. That is safe: request and event ids make both services idempotent.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [
                {"service": "ads.ranker.v1.RankerService"},
                {"service": "ads.ranker.v1.LearnerService"},
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.2},
}
OPTIONS = (("grpc.service_config", json.dumps(SERVICE_CONFIG)),)
# Of calls that are not sent to a server that has just refused many.
HELD_BACK_SECONDS = 0.1
# Outcomes of one message: stored in one transaction.
REPORT_SIZE = 500


@dataclass(frozen=True, slots=True)
class Report:
    """What became of reported outcomes."""

    num_joined: int
    num_duplicates: int
    num_late: int
    num_already_rewarded: int
    num_published: int = 0  # on the service's event bus: what becomes of them is seen later


def report_messages(outcomes: Iterable[Outcome]) -> Iterator[learner_pb2.ReportOutcomesRequest]:
    """Writes outcomes in messages of a size that is stored at once."""
    rest = iter(outcomes)
    while chunk := list(islice(rest, REPORT_SIZE)):
        yield learner_pb2.ReportOutcomesRequest(outcomes=[outcome_to_proto(outcome) for outcome in chunk])


@contextmanager
def our_errors() -> Iterator[None]:
    """Turns gRPC's errors into ours, where they carry one."""
    try:
        yield
    except grpc.RpcError as error:
        status = (
            rpc_status.from_call(cast("grpc.Call", error))
            if isinstance(error, grpc.Call | grpc.aio.AioRpcError)
            else None
        )
        if status is None and error.code() in WITHOUT_DETAILS:
            kind, problem = WITHOUT_DETAILS[error.code()]
            raise kind("server", error.details(), problem) from error
        info = error_details_pb2.ErrorInfo()
        if status is None or not any(detail.Unpack(info) for detail in status.details):
            raise
        ours = ERRORS.get(error.code(), RankerError)
        raised = _with_message(ours, info.metadata["field"], info.metadata["value"], status.message)
        retry = error_details_pb2.RetryInfo()
        if isinstance(raised, OverloadedError) and any(detail.Unpack(retry) for detail in status.details):
            raised.retry_seconds = retry.retry_delay.ToNanoseconds() / 1e9
        raise raised from error


@contextmanager
def throttled(throttle: Throttle) -> Iterator[None]:
    """Makes a call of `rank`, with our errors, unless the throttle keeps it back; it learns the outcome."""
    if not throttle.sends():
        raise OverloadedError(
            "server", "not called", "has just refused many calls: try again later", HELD_BACK_SECONDS
        )
    refused = False
    try:
        with our_errors():
            yield
    except OverloadedError:
        refused = True
        raise
    finally:
        throttle.learn(refused)


def batch_answers(response: ranker_pb2.BatchRankResponse) -> list[Answer | RankerError]:
    """Reads a batch: what is wrong with a request stands in its place."""
    return [
        answer_from_proto(item.response) if item.HasField("response") else item_error(item.error)
        for item in response.results
    ]


def report_from_proto(response: learner_pb2.ReportOutcomesResponse) -> Report:
    """Reads what became of outcomes."""
    return Report(
        response.num_joined,
        response.num_duplicates,
        response.num_late,
        response.num_already_rewarded,
        response.num_published,
    )


def item_error(item: ranker_pb2.RankError) -> RankerError:
    """Reads the error of one request of a batch."""
    codes = {code.value[0]: kind for code, kind in ERRORS.items()}
    return _with_message(codes.get(item.code, RankerError), item.field, item.value, item.message)


def _with_message(kind: type[RankerError], field: str, value: str, message: str) -> RankerError:
    """Returns the server's error: its message already says field, value and problem."""
    error = kind(field, value, message)
    error.args = (message,)
    return error
