"""What the edge refuses before anything is read, without a server."""

from __future__ import annotations

from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from ranker.serving.admission import Admission
from ranker.serving.call_queue import CallQueue, Priority
from ranker.serving.edge import (
    MAX_REFUSALS,
    PACKAGE,
    RANK,
    EdgeInterceptor,
    Gate,
)
from ranker.serving.error_table import ErrorTable
from ranker.serving.metrics import Metrics
from ranker.serving.request_conversion import PRIORITY_HEADER

Details = namedtuple("Details", ("method", "invocation_metadata"), defaults=((),))


class AbortedError(Exception):
    pass


class Context:
    """A call with so much time left; remembers how it ended."""

    def __init__(self, remaining):
        self.remaining = remaining
        self.status = None

    def time_remaining(self):
        return self.remaining

    def is_active(self):
        return True

    def add_callback(self, callback):
        callback()
        return True

    def abort_with_status(self, status):
        self.status = status
        raise AbortedError


def handler_of(method, admission, decoded):
    """Returns the edge's handler of a method that echoes; what is decoded goes into the list."""

    def read(raw):
        decoded.append(raw)
        return raw

    inner = grpc.unary_unary_rpc_method_handler(lambda message, _: message, request_deserializer=read)
    edge = EdgeInterceptor(
        Metrics(), ErrorTable(), 100, ThreadPoolExecutor(1), Gate(CallQueue(1, 40), admission)
    )
    return edge.intercept_service(lambda _: inner, Details(method)), edge


def slow() -> Admission:
    admission = Admission()
    admission.observe(1.0)  # mean 1 s, deviation 0.5 s: up to 3 s
    return admission


def test_a_refused_call_is_never_decoded_and_told_when_to_retry():
    admission, decoded = slow(), []
    handler, _ = handler_of(RANK, admission, decoded)
    context = Context(0.1)
    with admission.admitted(None), pytest.raises(AbortedError):
        handler.unary_unary(b"message", context)
    assert decoded == []
    assert context.status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = status_pb2.Status.FromString(dict(context.status.trailing_metadata)["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.ToMilliseconds() == 3000


def test_a_call_with_time_is_decoded_and_answered():
    decoded = []
    handler, _ = handler_of(RANK, slow(), decoded)
    assert handler.unary_unary(b"message", Context(10.0)) == b"message"
    assert decoded == [b"message"]


def test_other_methods_wait_whatever_their_deadline():
    admission = slow()
    handler, _ = handler_of(f"{PACKAGE}AdminService/Reload", admission, [])
    with admission.admitted(None):
        assert handler.unary_unary(b"message", Context(0.1)) == b"message"


def test_refusals_that_are_kept_stay_few():
    admission = Admission()
    handler, edge = handler_of(RANK, admission, [])
    admission.observe(100.0)
    for _ in range(2 * MAX_REFUSALS):  # each refusal lowers the estimate, and so reads differently
        with admission.admitted(None), pytest.raises(AbortedError):
            handler.unary_unary(b"message", Context(0.0))
    assert 0 < len(edge._refusals) <= MAX_REFUSALS


def test_the_handler_of_a_method_is_made_once():
    handler, edge = handler_of(RANK, None, [])
    assert edge.intercept_service(lambda _: handler, Details(RANK)) is handler


def refused_here(edge, handler, metadata):
    """Returns the status with which a call is turned away before its message is awaited."""
    chosen = edge.intercept_service(lambda _: handler, Details(RANK, metadata))
    assert chosen.unary_unary is None
    context = Context(1.0)
    with pytest.raises(AbortedError):
        chosen.stream_unary(None, context)
    return context.status


def test_an_unknown_priority_is_told():
    handler, edge = handler_of(RANK, None, [])
    status = refused_here(edge, handler, ((PRIORITY_HEADER, "urgent"),))
    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "must be one of low, normal, high" in status.details


def test_low_priority_is_turned_away_while_high_is_let_in():
    handler, edge = handler_of(RANK, Admission(), [])
    edge._gate.queue._waiting[Priority.HIGH].extend([lambda: None] * 20)  # of 40 places
    status = refused_here(edge, handler, ((PRIORITY_HEADER, "low"),))
    assert status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    inner = grpc.unary_unary_rpc_method_handler(lambda raw, _: raw, request_deserializer=bytes)
    chosen = edge.intercept_service(lambda _: inner, Details(RANK, ((PRIORITY_HEADER, "high"),)))
    assert chosen.unary_unary(b"message", Context(1.0)) == b"message"
