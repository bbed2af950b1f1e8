"""The Python client: requests and answers as data, errors as ours, protobuf out of sight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ads.ranker.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    learner_pb2_grpc,
    ranker_pb2,
    ranker_pb2_grpc,
)
from ranker.client_calls import (
    OPTIONS,
    Report,
    batch_answers,
    our_errors,
    report_from_proto,
    report_messages,
    throttled,
)
from ranker.connection import connect
from ranker.errors import RankerError
from ranker.hedging import hedged
from ranker.serving.answer_conversion import Answer, answer_from_proto
from ranker.serving.request_conversion import rank_headers, request_to_proto
from ranker.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from google.protobuf.message import Message

    from ranker.connection import Security
    from ranker.events.records import Outcome
    from ranker.slate import RankRequest

__all__ = ["Answer", "RankerClient", "RankerError", "Report"]


class RankerClient:
    """A connection to one server, or to several of one store in turn; threads may share it.

    Several are addressed as `ipv4:IP:PORT,IP:PORT` or by a name with several addresses, `dns:NAME:PORT`.

    Every call has a deadline. One that reaches no server, or one that is closing, is made again elsewhere
    within it. With `hedge_seconds`, a `rank` that is not answered by then is asked a second time, of the next
    server, and the first answer counts: both are the one decision of the request's id. Reports are never
    hedged; their event ids let nothing count twice.

    Errors that name a field come back as `ranker.errors`, a server that cannot be reached as StateError and
    one that has no room for a call as OverloadedError; all others (a deadline) are grpc.RpcError. Asking
    again after one is safe: a request id is answered with its stored decision.

    While servers refuse calls of `rank` for want of room, some are not sent (`ranker.throttle`): they raise
    OverloadedError at once.
    """

    def __init__(
        self,
        address: str,
        timeout_seconds: float = 5.0,
        security: Security | None = None,
        hedge_seconds: float | None = None,
    ) -> None:
        self._channel = connect(address, security, OPTIONS)
        self._timeout = timeout_seconds
        self._hedge = hedge_seconds
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
        with throttled(self._throttle):
            message, metadata = request_to_proto(request), rank_headers(request, priority)
            if self._hedge is None:
                response = self._ranker.Rank(message, timeout=self._timeout, metadata=metadata)
            else:
                response = hedged(self._ranker.Rank, message, metadata, self._timeout, self._hedge)
            return answer_from_proto(response)

    def batch_rank(self, requests: Sequence[RankRequest]) -> list[Answer | RankerError]:
        """Returns one answer a request; what is wrong with a request stands in its place."""
        message = ranker_pb2.BatchRankRequest(requests=[request_to_proto(request) for request in requests])
        with our_errors():
            return batch_answers(self._ranker.BatchRank(message, timeout=self._timeout))

    def report(self, outcomes: Iterable[Outcome]) -> Report:
        """Reports outcomes; returns once all are stored. Event ids make it safe to report again."""
        with our_errors():
            return report_from_proto(
                self._learner.ReportOutcomes(report_messages(outcomes), timeout=self._timeout)
            )

    def versions(self) -> dict[str, object]:
        """Returns what is served."""
        with our_errors():
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
        with our_errors():
            answer = self._admin.Reload(admin_pb2.ReloadRequest(), timeout=self._timeout)
        return MessageToDict(answer.versions, preserving_proto_field_name=True)

    def replay_decision(self, decision_id: str) -> dict[str, Any]:
        """Returns whether a logged decision is recomputed to the last bit, and where it is not."""
        with our_errors():
            request = admin_pb2.ReplayDecisionRequest(decision_id=decision_id)
            return _fields(self._admin.ReplayDecision(request, timeout=self._timeout))

    def explain(self, decision_id: str) -> dict[str, Any]:
        """Returns scores, prices, draws, and what each constraint of a logged decision cost."""
        with our_errors():
            request = admin_pb2.ExplainRequest(decision_id=decision_id)
            return _fields(self._admin.Explain(request, timeout=self._timeout))


def _fields(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
