"""OpenTelemetry spans of sampled calls. A call that is not sampled makes none, and this module is only
imported where spans are wanted: `pip install 'adranker[tracing]'`.

The stages of a call are timed anyway, for the metrics; their spans are written from these times when the call
is over, so that the way of a request knows nothing of them.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from google.rpc import code_pb2
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ranker.serving.call_ids import TRACE

if TYPE_CHECKING:
    import grpc
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

    from ranker.stages import StageTimer

PARENT_HEADER: Final = "traceparent"
# Spans that wait to be sent; beyond, they are dropped, and a collector that is slow or away costs no more.
MAX_WAITING: Final = 8192
EXPORT_SECONDS: Final = 5
# Codes that are the server's fault, as OpenTelemetry's conventions for gRPC have it.
FAULTS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Tracing:
    """Decides which calls have spans, and sends them."""

    def __init__(self, processor: SpanProcessor, ratio: float) -> None:
        """Samples calls whose `traceparent` says so, and a share `ratio` of those that have none."""
        resource = Resource.create({SERVICE_NAME: "adranker", SERVICE_VERSION: version("adranker")})
        self._provider = TracerProvider(ParentBased(TraceIdRatioBased(ratio)), resource)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("adranker")
        self._ratio = ratio

    def begin(self, method: str, context: grpc.ServicerContext) -> CallTrace | None:
        """Begins the span of a call, as TRACE says from now on; None where it is not sampled."""
        trace = self._begun(method, context)
        TRACE.set(trace)
        return trace

    def _begun(self, method: str, context: grpc.ServicerContext) -> CallTrace | None:
        parent = next((value for key, value in context.invocation_metadata() if key == PARENT_HEADER), None)
        around: Context | None = None
        if isinstance(parent, str):
            around = _PROPAGATOR.extract({PARENT_HEADER: parent})
            caller = get_current_span(around)
            if caller is INVALID_SPAN:  # no such header: the trace begins here
                around = None
            elif not caller.get_span_context().trace_flags.sampled:
                return None
        if around is None and not self._ratio:
            return None
        service, _, name = method.strip("/").partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        span = self._tracer.start_span(method.strip("/"), around, SpanKind.SERVER, attributes)
        return CallTrace(self._tracer, span) if span.is_recording() else None

    def close(self) -> None:
        """Sends what waits, for as long as one export may take."""
        self._provider.force_flush(1000 * EXPORT_SECONDS)
        self._provider.shutdown()


class CallTrace:
    """The spans of one sampled call."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        ids = span.get_span_context()
        self.trace_id = f"{ids.trace_id:032x}"
        self.span_id = f"{ids.span_id:016x}"

    def stages(self, timer: StageTimer) -> None:
        """Writes a span for each stage that has ended."""
        around = set_span_in_context(self._span)
        start = time.time_ns() - int(1e9 * timer.elapsed())
        for stage, seconds in timer.seconds.items():
            end = start + int(1e9 * seconds)
            self._tracer.start_span(stage, around, start_time=start).end(end)
            start = end

    def tell(self, attributes: dict[str, Any]) -> None:
        """Adds what is known of the call, under our own prefix."""
        self._span.set_attributes({f"adranker.{name}": value for name, value in attributes.items()})

    def end(self, code: str) -> None:
        """Ends the call with its gRPC code."""
        self._span.set_attribute("rpc.grpc.status_code", code_pb2.Code.Value(code))
        if code in FAULTS:
            self._span.set_status(StatusCode.ERROR, code)
        self._span.end()


def to_collector(endpoint: str, ratio: float) -> Tracing:
    """Sends spans to an OTLP collector over gRPC: http://host:4317, or https:// for TLS."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
    return Tracing(BatchSpanProcessor(exporter, max_queue_size=MAX_WAITING), ratio)
