"""The edge of every call: size, decoding, errors as google.rpc.Status, metrics. Servicers see none of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cache, partial, update_wrapper
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from ranker.degradation import Step
from ranker.errors import InvalidInputError, OverloadedError
from ranker.serving.access import refusing
from ranker.serving.call_ids import REQUEST_ID
from ranker.serving.call_queue import Lane, Priority, at_once
from ranker.serving.request_conversion import DEGRADATION_HEADER, PRIORITY_HEADER
from ranker.slate import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

    from ranker.errors import RankerError
    from ranker.serving.admission import Admission
    from ranker.serving.call_queue import CallQueue
    from ranker.serving.error_table import ErrorTable
    from ranker.serving.metrics import Metrics
    from ranker.serving.tracing import Tracing

    _Answering = Callable[[bytes, grpc.ServicerContext], Any]
    # Answers a call by the first argument, or refuses it.
    _Admitting = Callable[[_Answering, bytes, grpc.ServicerContext], Any]

PACKAGE = "/ads.ranker.v1."
# The method whose callers are in a hurry.
RANK = f"{PACKAGE}RankerService/Rank"
# How gRPC's handlers name their behavior.
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
PRIORITIES = {priority.name.lower(): priority for priority in Priority}
# Statuses of refusals that are kept: under overload they are asked for thousands of times a second.
MAX_REFUSALS = 256
# By then a full queue has been answered.
RETRY_SECONDS = 0.1


class EdgeInterceptor(grpc.ServerInterceptor):
    """Wraps the methods of our services; of health and reflection only the decoding.

    Messages arrive as bytes, so that one that is too large or is no message of its type is answered like any
    other bad input, and one that is refused is never decoded.
    """

    def __init__(
        self,
        metrics: Metrics,
        errors: ErrorTable,
        max_message_bytes: int,
        streams: ThreadPoolExecutor,
        gate: Gate,
        tracing: Tracing | None = None,  # a sixth: most servers have none
    ) -> None:
        self._streams = streams  # threads that streams hold as long as they are open
        self._metrics = metrics
        self._errors = errors
        self._max_message_bytes = max_message_bytes
        self._gate = gate
        self._tracing = tracing
        self._inline = Lane(at_once)
        self._draining = threading.Event()
        # By method, as gRPC asks for its handler with every call, also with those that it turns away.
        self._wrapped: dict[str, Any] = {}
        self._ranks: dict[_Wishes, Any] = {}
        self._arrived: dict[str, Any] = {}
        self._refusals: dict[str, grpc.Status] = {}

    def drain(self) -> None:
        """Turns new calls away with UNAVAILABLE, which clients may safely send elsewhere.

        gRPC's own shutdown cuts calls that it has read but not yet handed over, as CANCELLED: the fewer of
        them are left by then, the fewer must be made again.
        """
        self._draining.set()

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Returns the method's handler, wrapped."""
        handler = continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None:
            return None
        if not method.startswith(PACKAGE):
            if method not in self._wrapped:
                self._wrapped[method] = _on_pool(self._decoding_handler(handler), self._streams)
            return self._wrapped[method]
        if method not in self._wrapped:
            self._arrived[method] = self._metrics.arrived.labels(method.rpartition("/")[2])
            self._wrapped[method] = self._wrapped_handler(handler, method)
        self._arrived[method].inc()
        if self._draining.is_set():
            # The calls before this one finish: the decision is made here, where a call is accepted.
            return refusing(handler, self._turn_away(method))
        if method == RANK:
            return self._rank_handler(handler, handler_call_details.invocation_metadata)
        return self._wrapped[method]

    def _rank_handler(self, handler: Any, metadata: Any) -> Any:
        """Returns the handler on the lane of the call's priority, or one that turns it away here and now."""
        try:
            wishes = _wishes(metadata)
            self._gate.check_arrival(wishes.priority)
        except InvalidInputError as error:
            return self._refusal(error)
        except OverloadedError as error:
            self._metrics.shed.inc()
            return self._refusal(error)
        if wishes not in self._ranks:
            wrapped = self._wrapped_handler(handler, RANK, self._gate.admitting(wishes.any_answer))
            behavior = partial(wrapped.unary_unary)
            lane = self._gate.queue.lanes[wishes.priority]
            behavior.experimental_thread_pool = lane  # type: ignore[attr-defined]
            self._ranks[wishes] = wrapped._replace(unary_unary=behavior)
        return self._ranks[wishes]

    def _refusal(self, error: RankerError) -> Any:
        """Returns a handler that refuses unread: as a stream, of which gRPC does not await the message."""
        status = self._status(error)
        self._metrics.calls.labels("Rank", status.code.name).inc()

        def refuse(_: Any, context: grpc.ServicerContext) -> None:
            context.abort_with_status(status)

        refuse.experimental_thread_pool = self._inline  # type: ignore[attr-defined]
        return grpc.stream_unary_rpc_method_handler(refuse)

    def _wrapped_handler(self, handler: Any, method: str, admitting: _Admitting | None = None) -> Any:
        if handler.request_streaming:
            wrapped: Any = grpc.stream_unary_rpc_method_handler(
                self._wrap(handler.stream_unary, method, lambda raw: self._decoded_stream(handler, raw)),
                response_serializer=handler.response_serializer,
            )
            return _on_pool(wrapped, self._streams)

        def answer(raw: bytes, context: grpc.ServicerContext) -> Any:
            return handler.unary_unary(self._decoded(handler, raw), context)

        behavior = answer if admitting is None else partial(admitting, answer)
        return grpc.unary_unary_rpc_method_handler(
            self._wrap(behavior, method, lambda raw: raw), response_serializer=handler.response_serializer
        )

    def _decoding_handler(self, handler: Any) -> Any:
        """Returns a handler of another package, which refuses what is no message of its type as ours do."""
        kind = next(kind for kind in KINDS if getattr(handler, kind) is not None)
        behavior = getattr(handler, kind)

        def once(raw: bytes, context: grpc.ServicerContext, *more: Any) -> Any:
            try:
                message = self._decoded(handler, raw)
            except InvalidInputError as error:
                context.abort_with_status(self._status(error))
            return behavior(message, context, *more)

        def stream(raw: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                yield from behavior(self._decoded_stream(handler, raw), context)
            except InvalidInputError as error:
                context.abort_with_status(self._status(error))

        # With what gRPC reads from the behavior itself: its pool, and whether it blocks.
        wrapped = update_wrapper(stream if handler.request_streaming else once, behavior)
        return handler._replace(request_deserializer=None, **{kind: wrapped})

    def _turn_away(self, method: str) -> Callable[[grpc.ServicerContext], None]:
        counter = self._metrics.calls.labels(method.rpartition("/")[2], "UNAVAILABLE")

        def refuse(context: grpc.ServicerContext) -> None:
            counter.inc()
            context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")

        return refuse

    def _status(self, error: Exception) -> Any:
        """Writes an error for gRPC; equal refusals are written once."""
        if not isinstance(error, OverloadedError):
            return rpc_status.to_status(self._errors.status(error))
        text = str(error)
        if text not in self._refusals:
            if len(self._refusals) >= MAX_REFUSALS:
                self._refusals.clear()
            status: Any = rpc_status.to_status(self._errors.status(error))
            self._refusals[text] = status
            return status
        return self._refusals[text]

    def _decoded(self, handler: Any, raw: bytes) -> Any:
        if len(raw) > self._max_message_bytes:
            raise InvalidInputError("message.num_bytes", len(raw), f"at most {self._max_message_bytes}")
        try:
            return handler.request_deserializer(raw)
        except DecodeError as error:
            raise InvalidInputError("message", f"{len(raw)} bytes", f"cannot be decoded: {error}") from error

    def _decoded_stream(self, handler: Any, raw_messages: Iterator[bytes]) -> Iterator[Any]:
        for raw in raw_messages:
            yield self._decoded(handler, raw)

    def _wrap(self, behavior: Any, method: str, decode: Callable[[Any], Any]) -> Any:
        name = method.rpartition("/")[2]
        counted, inflight = cache(partial(self._metrics.calls.labels, name)), self._metrics.inflight
        latency, tracing = self._metrics.latency.labels(name), self._tracing

        def call(raw: Any, context: grpc.ServicerContext) -> Any:
            started = time.perf_counter()
            code = "UNKNOWN"  # what gRPC makes of an exception that is not ours: a bug
            REQUEST_ID.set("")
            trace = None if tracing is None else tracing.begin(method, context)
            inflight.inc()
            try:
                answer = behavior(decode(raw), context)
                code = "OK" if context.is_active() else "CANCELLED"
                return answer
            except self._errors.expected as error:
                status = self._status(error)
                code = status.code.name
                context.abort_with_status(status)
            finally:
                inflight.dec()
                latency.observe(time.perf_counter() - started)
                counted(code).inc()
                if trace is not None:
                    trace.end(code)

        return call


@dataclass(frozen=True, slots=True)
class Gate:
    """Where calls of Rank come in."""

    queue: CallQueue
    admission: Admission | None  # None: every call is answered, in time or not
    degraded: Admission | None = None  # of calls that accept any answer, by what the degraded ones take

    def admitting(self, any_answer: bool) -> _Admitting | None:
        """Returns what answers a call only where its deadline leaves time for it; None: all are answered."""
        if any_answer:
            return None if self.degraded is None else partial(_admitted, self.degraded, _is_degraded)
        return None if self.admission is None else partial(_admitted, self.admission, _is_any)

    def check_arrival(self, priority: Priority) -> None:
        """Raises OverloadedError where there is no room for a call of that priority."""
        if self.admission is not None and not self.queue.has_room(priority):
            raise OverloadedError(
                "priority",
                priority.name.lower(),
                "no room for calls of this priority: retry later",
                retry_seconds=RETRY_SECONDS,
            )


class _Wishes(NamedTuple):
    """What the headers of a call of Rank say."""

    priority: Priority = Priority.NORMAL
    any_answer: bool = False


def _wishes(metadata: Any) -> _Wishes:
    wishes = _Wishes()
    for key, value in metadata:
        if key == PRIORITY_HEADER:
            if value not in PRIORITIES:
                raise InvalidInputError(PRIORITY_HEADER, value, f"must be one of {', '.join(PRIORITIES)}")
            wishes = wishes._replace(priority=PRIORITIES[value])
        elif key == DEGRADATION_HEADER:
            if value != Degradation.ANY:
                raise InvalidInputError(DEGRADATION_HEADER, value, f"must be {Degradation.ANY}")
            wishes = wishes._replace(any_answer=True)
    return wishes


def _is_any(_: Any) -> bool:
    return True


def _is_degraded(response: Any) -> bool:
    return response.degradation in (Step.LAST_SCORES, Step.UNCONSTRAINED)


def _admitted(
    admission: Admission,
    is_measured: Callable[[Any], bool],
    answer: _Answering,
    raw: bytes,
    context: Any,
) -> Any:
    """Answers, or raises OverloadedError where the caller would be gone before the answer.

    Answers that are measured tell how long the next one takes.
    """
    with admission.admitted(context.time_remaining()):
        started = time.perf_counter()
        response = answer(raw, context)
        spared = admission.spared

        def left() -> None:
            admission.observe(time.perf_counter() - started - spared)

        if is_measured(response) and not context.add_callback(left):  # the caller is gone already
            left()
        return response


def _on_pool(handler: Any, pool: ThreadPoolExecutor) -> Any:
    """Returns the handler, its behavior run by `pool` where it is a stream.

    gRPC asks each behavior for a pool of its own (an attribute that it calls experimental).
    """
    for kind in KINDS[1:]:
        behavior = getattr(handler, kind)
        if behavior is not None and not hasattr(behavior, "experimental_thread_pool"):
            own = partial(behavior)
            own.experimental_thread_pool = pool  # type: ignore[attr-defined]
            return handler._replace(**{kind: own})
    return handler
