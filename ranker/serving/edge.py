"""The edge of every call: size, decoding, errors as google.rpc.Status, metrics. Servicers see none of it."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from ranker.errors import InvalidInputError, OverloadedError
from ranker.serving.access import refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

    from ranker.serving.admission import Admission
    from ranker.serving.error_table import ErrorTable
    from ranker.serving.metrics import Metrics

PACKAGE = "/ads.ranker.v1."
# The method whose callers are in a hurry.
RANK = f"{PACKAGE}RankerService/Rank"
# Statuses of refusals that are kept: under overload they are asked for thousands of times a second.
MAX_REFUSALS = 256


class EdgeInterceptor(grpc.ServerInterceptor):
    """Wraps the methods of our services; health and reflection pass untouched.

    Messages arrive as bytes, so that one that is too large or is no message of its type is answered like any
    other bad input, and one that is refused is never decoded.
    """

    def __init__(
        self,
        metrics: Metrics,
        errors: ErrorTable,
        max_message_bytes: int,
        streams: ThreadPoolExecutor,
        admission: Admission | None,
    ) -> None:
        self._streams = streams  # threads that streams hold as long as they are open
        self._metrics = metrics
        self._errors = errors
        self._max_message_bytes = max_message_bytes
        self._admission = admission  # None: every call of Rank is answered, in time or not
        self._draining = threading.Event()
        # By method, as gRPC asks for its handler with every call, also with those that it turns away.
        self._wrapped: dict[str, Any] = {}
        self._arrived: dict[str, Any] = {}
        self._refusals: dict[str, grpc.Status] = {}

    def drain(self) -> None:
        """Turns new calls away with UNAVAILABLE, which clients may safely send elsewhere.

        gRPC's own shutdown would cut calls that it has read but not yet handed over, as CANCELLED.
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
            return _on_pool(handler, self._streams)
        if method not in self._wrapped:
            self._arrived[method] = self._metrics.arrived.labels(method.rpartition("/")[2])
            self._wrapped[method] = self._wrapped_handler(handler, method)
        self._arrived[method].inc()
        if self._draining.is_set():
            # The calls before this one finish: the decision is made here, where a call is accepted.
            return refusing(handler, self._turn_away(method))
        return self._wrapped[method]

    def _wrapped_handler(self, handler: Any, method: str) -> Any:
        if handler.request_streaming:
            wrapped: Any = grpc.stream_unary_rpc_method_handler(
                self._wrap(handler.stream_unary, method, lambda raw: self._decoded_stream(handler, raw)),
                response_serializer=handler.response_serializer,
            )
            return _on_pool(wrapped, self._streams)

        def answer(raw: bytes, context: grpc.ServicerContext) -> Any:
            return handler.unary_unary(self._decoded(handler, raw), context)

        admission = self._admission if method == RANK else None
        behavior = answer if admission is None else partial(_admitted, admission, answer)
        return grpc.unary_unary_rpc_method_handler(
            self._wrap(behavior, method, lambda raw: raw), response_serializer=handler.response_serializer
        )

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
        calls, inflight = self._metrics.calls, self._metrics.inflight
        latency = self._metrics.latency.labels(name)

        def call(raw: Any, context: grpc.ServicerContext) -> Any:
            started = time.perf_counter()
            code = "UNKNOWN"  # what gRPC makes of an exception that is not ours: a bug
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
                calls.labels(name, code).inc()

        return call


def _admitted(
    admission: Admission, answer: Callable[[bytes, grpc.ServicerContext], Any], raw: bytes, context: Any
) -> Any:
    """Answers, or raises OverloadedError where the caller would be gone before the answer."""
    with admission.admitted(context.time_remaining()):
        started = time.perf_counter()
        response = answer(raw, context)

        def left() -> None:
            admission.observe(time.perf_counter() - started)

        if not context.add_callback(left):  # the caller is gone already
            left()
        return response


def _on_pool(handler: Any, pool: ThreadPoolExecutor) -> Any:
    """Returns the handler, its behavior run by `pool` where it is a stream.

    gRPC asks each behavior for a pool of its own (an attribute that it calls experimental).
    """
    for kind in ("stream_unary", "unary_stream", "stream_stream"):
        behavior = getattr(handler, kind)
        if behavior is not None and not hasattr(behavior, "experimental_thread_pool"):
            own = partial(behavior)
            own.experimental_thread_pool = pool  # type: ignore[attr-defined]
            return handler._replace(**{kind: own})
    return handler
