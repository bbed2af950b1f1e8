"""Which call this thread answers: the edge and the servicers say so, log lines and spans name it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ranker.serving.tracing import CallTrace

# "": not known yet, or no call of Rank.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
# None: the call is not sampled.
TRACE: ContextVar[CallTrace | None] = ContextVar("trace", default=None)


def call_ids() -> dict[str, str]:
    """Returns what names the call: nothing outside of one."""
    ids = {}
    if request_id := REQUEST_ID.get():
        ids["request_id"] = request_id
    if (trace := TRACE.get()) is not None:
        ids |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return ids
