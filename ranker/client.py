"""The Python client: requests and answers as data, errors as ours, protobuf out of sight."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from ads.ranker.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    learner_pb2,
    learner_pb2_grpc,
    ranker_pb2,
    ranker_pb2_grpc,
)
from ranker.connection import connect
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
from ranker.serving.request_conversion import PRIORITY_HEADER, outcome_to_proto, request_to_proto
from ranker.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from google.protobuf.message import Message

    from ranker.connection import Security
    from ranker.events.records import Outcome
    from ranker.slate import RankRequest

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
    grpc.StatusCode.RESOURCE_EXHAUSTED: (OverloadedError, "has no room for the call: try again later"),
}
# Each call goes to the next address that can be reached.
ROUND_ROBIN = (("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),)
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


class RankerClient:
    """A connection to one server, or to several of one store in turn; threads may share it.

    Several are addressed as `ipv4:IP:PORT,IP:PORT` or by a name with several addresses, `dns:NAME:PORT`.

    Errors that name a field come back as `ranker.errors`, a server that cannot be reached as StateError and
    one that has no room for a call as OverloadedError; all others (a deadline) are grpc.RpcError. Asking
    again after one is safe: a request id is answered with its stored decision.

    While servers refuse calls of `rank` for want of room, some are not sent (`ranker.throttle`): they raise
    OverloadedError at once.
    """

    def __init__(self, address: str, timeout_seconds: float = 5.0, security: Security | None = None) -> None:
        self._channel = connect(address, security, ROUND_ROBIN)
        self._timeout = timeout_seconds
        self._throttle = Throttle(np.random.default_rng())
        self._ranker = ranker_pb2_grpc.RankerServiceStub(self._channel)
        self._learner = learner_pb2_grpc.LearnerServiceStub(self._channel)
        self._admin = admin_pb2_grpc.AdminServiceStub(self._channel)
        self._health: Any = health_pb2_grpc.HealthStub(self._channel)  # its types leave the methods out

    def __enter__(self) -> RankerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def rank(self, request: RankRequest, priority: str = "normal") -> Answer:
        """Returns the slate for one request; of low, normal and high priority the high is refused last."""
        if not self._throttle.sends():
            raise OverloadedError(
                "server", "not called", "has just refused many calls: try again later", HELD_BACK_SECONDS
            )
        metadata = ((PRIORITY_HEADER, priority),)
        refused = False
        try:
            with _our_errors():
                message = request_to_proto(request)
                return answer_from_proto(self._ranker.Rank(message, timeout=self._timeout, metadata=metadata))
        except OverloadedError:
            refused = True
            raise
        finally:
            self._throttle.learn(refused)

    def batch_rank(self, requests: Sequence[RankRequest]) -> list[Answer | RankerError]:
        """Returns one answer a request; what is wrong with a request stands in its place."""
        message = ranker_pb2.BatchRankRequest(requests=[request_to_proto(request) for request in requests])
        with _our_errors():
            results = self._ranker.BatchRank(message, timeout=self._timeout).results
        return [
            answer_from_proto(item.response) if item.HasField("response") else _item_error(item.error)
            for item in results
        ]

    def report(self, outcomes: Iterable[Outcome]) -> Report:
        """Reports outcomes; returns once all are stored. Event ids make it safe to report again."""
        with _our_errors():
            response = self._learner.ReportOutcomes(_messages(outcomes), timeout=self._timeout)
        return Report(
            response.num_joined, response.num_duplicates, response.num_late, response.num_already_rewarded
        )

    def versions(self) -> dict[str, object]:
        """Returns what is served."""
        with _our_errors():
            answer = self._admin.ListVersions(admin_pb2.ListVersionsRequest(), timeout=self._timeout)
        return MessageToDict(answer.versions, preserving_proto_field_name=True)

    def health(self) -> str:
        """Returns SERVING, NOT_SERVING (decisions cannot be kept, or it is closing) or UNREACHABLE."""
        try:
            answer = self._health.Check(health_pb2.HealthCheckRequest(), timeout=self._timeout)
        except grpc.RpcError:
            return "UNREACHABLE"
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def reload(self) -> dict[str, object]:
        """Lets the server take up what is new; returns what is served then."""
        with _our_errors():
            answer = self._admin.Reload(admin_pb2.ReloadRequest(), timeout=self._timeout)
        return MessageToDict(answer.versions, preserving_proto_field_name=True)

    def replay_decision(self, decision_id: str) -> dict[str, Any]:
        """Returns whether a logged decision is recomputed to the last bit, and where it is not."""
        with _our_errors():
            request = admin_pb2.ReplayDecisionRequest(decision_id=decision_id)
            return _fields(self._admin.ReplayDecision(request, timeout=self._timeout))

    def explain(self, decision_id: str) -> dict[str, Any]:
        """Returns scores, prices, draws, and what each constraint of a logged decision cost."""
        with _our_errors():
            request = admin_pb2.ExplainRequest(decision_id=decision_id)
            return _fields(self._admin.Explain(request, timeout=self._timeout))


def _fields(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _messages(outcomes: Iterable[Outcome]) -> Iterator[learner_pb2.ReportOutcomesRequest]:
    rest = iter(outcomes)
    while chunk := list(islice(rest, REPORT_SIZE)):
        yield learner_pb2.ReportOutcomesRequest(outcomes=[outcome_to_proto(outcome) for outcome in chunk])


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
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


def _item_error(item: ranker_pb2.RankError) -> RankerError:
    codes = {code.value[0]: kind for code, kind in ERRORS.items()}
    return _with_message(codes.get(item.code, RankerError), item.field, item.value, item.message)


def _with_message(kind: type[RankerError], field: str, value: str, message: str) -> RankerError:
    """Returns the server's error: its message already says field, value and problem."""
    error = kind(field, value, message)
    error.args = (message,)
    return error
