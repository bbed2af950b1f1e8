"""Asks a second server where the first is late. Only for calls that two servers answer alike."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message


def hedged(
    method: Any,
    message: Message,
    metadata: Sequence[tuple[str, str]],
    timeout_seconds: float,
    hedge_seconds: float,
) -> Any:
    """Returns the first good answer of one or two calls, and cancels the other.

    The second is made when the first has neither answered nor failed after `hedge_seconds`; both end at the
    same deadline. Raises the grpc.RpcError of the last that failed where both do.
    """
    end = time.monotonic() + timeout_seconds
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    calls: list[Any] = []

    def start() -> None:
        call = method.future(message, timeout=max(end - time.monotonic(), 0.0), metadata=metadata)
        calls.append(call)
        call.add_done_callback(ended.put)

    start()
    try:
        first = ended.get(timeout=min(hedge_seconds, timeout_seconds))
    except queue.Empty:
        start()
        first = ended.get()
    if first.code() is not grpc.StatusCode.OK and len(calls) > 1 and not is_final(first):
        first = ended.get()
    for call in calls:
        call.cancel()
    return first.result()


def is_final(error: Any) -> bool:
    """Says whether another server would refuse too: something is wrong with the call itself."""
    return error.code() in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    )
