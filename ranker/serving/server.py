"""The server: wires home, store, pipeline and services, answers until it is told to stop, then drains."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import grpc
from google.rpc import code_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from ads.ranker.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    learner_pb2,
    learner_pb2_grpc,
    ranker_pb2,
    ranker_pb2_grpc,
)
from bandit import snapshot as posterior_store
from bandit.errors import ContextError, CreativeError, UnknownSpaceError
from ranker.creative_learning import creative_learner
from ranker.decider import Decider
from ranker.decision_replay import DecisionReplay
from ranker.errors import InvalidInputError, RankerError, StateError
from ranker.home import Home
from ranker.model_choice import ModelChoice
from ranker.pipeline import PipelineSettings
from ranker.serving.access import AccessInterceptor, TokenTable
from ranker.serving.admission import Admission
from ranker.serving.call_queue import CallQueue
from ranker.serving.decision_versions import DecisionVersions
from ranker.serving.edge import EdgeInterceptor, Gate
from ranker.serving.error_table import ErrorTable
from ranker.serving.event_stores import learned_until, store_of_server
from ranker.serving.home_loader import HomeLoader
from ranker.serving.incident import Incident
from ranker.serving.metrics import Metrics
from ranker.serving.registry import Registry
from ranker.serving.retention import Retirer
from ranker.serving.rollout_metrics import RolloutMetrics
from ranker.serving.rollout_watch import RolloutWatch
from ranker.serving.servicers import AdminServicer, LearnerServicer, RankerServicer
from ranker.serving.tls import TlsFiles, server_credentials
from ranker.solver import warm_up

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from ranker.events.store import EventStore
    from ranker.serving.settings import ServerSettings
    from ranker.serving.tracing import Tracing

logger = logging.getLogger(__name__)

# Errors of the creative bandit, on the wire.
CREATIVE_CODES: dict[type[Exception], int] = {
    UnknownSpaceError: code_pb2.NOT_FOUND,
    ContextError: code_pb2.FAILED_PRECONDITION,
    CreativeError: code_pb2.INTERNAL,
}
SERVICES = tuple(
    file.services_by_name[name].full_name
    for file, name in (
        (ranker_pb2.DESCRIPTOR, "RankerService"),
        (learner_pb2.DESCRIPTOR, "LearnerService"),
        (admin_pb2.DESCRIPTOR, "AdminService"),
    )
)
# gRPC's own cap, which cuts a call without details, stands this far above ours, which explains.
HARD_CAP = 16
# Between turning calls away and closing the door: for calls that are under way to us.
LAME_DUCK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the services are made of."""

    metrics: Metrics
    errors: ErrorTable
    registry: Registry
    store: EventStore
    decider: Decider
    replay: DecisionReplay
    gate: Gate
    tokens: TokenTable | None
    rollouts: RolloutWatch
    tracing: Tracing | None


class Server:
    """A running service. `close` drains it: every accepted call is answered, every event written."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._credentials = _credentials(settings)
        self._stop = threading.Event()
        with ExitStack() as opened:
            self.parts = _parts(settings)
            opened.callback(self.parts.store.close)
            opened.callback(self.parts.rollouts.close)
            self._listen()
            opened.pop_all()
        self._watcher = threading.Thread(target=self._watch, name="watch")
        self._retirer = Retirer(self.parts.store, partial(learned_until, Home(settings.home)))

    def _listen(self) -> None:
        """Binds both ports, or neither."""
        settings = self._settings
        # More than the streams that are let in: those that are turned away, and reflection.
        streams = ThreadPoolExecutor(settings.max_report_streams + 4, thread_name_prefix="stream")
        self._edge = EdgeInterceptor(
            self.parts.metrics,
            self.parts.errors,
            settings.max_message_bytes,
            streams,
            self.parts.gate,
            self.parts.tracing,
        )
        self._health = health.HealthServicer()
        self._grpc = self._grpc_server()
        port = self._bound_port()
        self.address = f"{settings.host}:{port}"
        self._scrapes = self._scrape_server()
        self.metrics_address = f"{settings.host}:{self._scrapes.server_port}"

    def start(self) -> None:
        """Answers from now on."""
        self._grpc.start()
        self._watcher.start()
        self._retirer.start()
        self._tell_health(health_pb2.HealthCheckResponse.SERVING)

    def close(self) -> None:
        """Says NOT_SERVING, then refuses new calls, finishes the accepted ones, writes what is queued."""
        self._stop.set()
        self._watcher.join()  # or it might say SERVING once more
        self._tell_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        time.sleep(self._settings.notice_seconds)
        self._edge.drain()
        time.sleep(LAME_DUCK_SECONDS)
        self._grpc.stop(self._settings.drain_seconds).wait()
        self._retirer.close()
        self.parts.rollouts.close()
        self.parts.store.close()
        if self.parts.tracing is not None:
            self.parts.tracing.close()
        self._scrapes.shutdown()
        self._scrapes.server_close()

    def _watch(self) -> None:
        """Takes up new versions and tokens; says NOT_SERVING while decisions cannot be kept."""
        store, tokens, rollouts = Incident(), Incident(), Incident()
        while not self._stop.wait(self._settings.reload_seconds):
            self.parts.registry.poll()
            with rollouts.watched(RankerError):
                self.parts.rollouts.poll(self.parts.registry)
            if self.parts.tokens is not None:
                with tokens.watched(InvalidInputError):
                    self.parts.tokens.poll()
            with store.watched(StateError):
                self.parts.store.check()
            states = health_pb2.HealthCheckResponse
            self._tell_health(states.NOT_SERVING if store.open else states.SERVING)

    def _bound_port(self) -> int:
        settings = self._settings
        address = f"{settings.host}:{settings.port}"
        try:
            if self._credentials is None:
                return self._grpc.add_insecure_port(address)
            return self._grpc.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            raise StateError("address", address, "cannot be listened on; is it taken?") from error

    def _scrape_server(self) -> WSGIServer:
        host, port = self._settings.host, self._settings.metrics_port
        try:
            return start_http_server(port, host, registry=self.parts.metrics.registry)[0]
        except OSError as error:
            self._grpc.stop(None)  # its port is bound
            raise StateError("metrics_address", f"{host}:{port}", str(error.strerror)) from error

    def _access(self, tokens: TokenTable) -> AccessInterceptor:
        return AccessInterceptor(tokens, self.parts.metrics, self.parts.errors)

    def _tell_health(self, status: int) -> None:
        for service in ("", *SERVICES):
            self._health.set(service, status)

    def _grpc_server(self) -> grpc.Server:
        settings, parts = self._settings, self.parts
        server = grpc.server(
            ThreadPoolExecutor(settings.num_workers, thread_name_prefix="rpc"),
            interceptors=[self._edge] if parts.tokens is None else [self._access(parts.tokens), self._edge],
            maximum_concurrent_rpcs=settings.max_concurrent_calls,
            options=[
                ("grpc.max_receive_message_length", HARD_CAP * settings.max_message_bytes),
                # Without it two servers would share the port, and half of the calls go astray.
                ("grpc.so_reuseport", 0),
            ],
        )
        ranker_pb2_grpc.add_RankerServiceServicer_to_server(
            RankerServicer(parts.decider, parts.metrics, parts.errors), server
        )
        learner_pb2_grpc.add_LearnerServiceServicer_to_server(
            LearnerServicer(parts.store, settings.max_report_streams), server
        )
        if settings.admin:
            admin_pb2_grpc.add_AdminServiceServicer_to_server(
                AdminServicer(parts.registry, parts.replay), server
            )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if settings.reflection:
            reflection.enable_server_reflection(
                (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server
            )
        return server


def _credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return server_credentials(TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca))


def _parts(settings: ServerSettings) -> _Parts:
    home = Home(settings.home, settings.events_url)
    home.check()
    warm_up()
    _publish_prior(home)
    metrics = Metrics()
    metrics.exploration_ratio.set(settings.exploration_ratio)
    unloadable = (RankerError, CreativeError, OSError, UnicodeError)
    registry = Registry(HomeLoader(home), metrics, unloadable)
    _check_servable(home, registry)
    draw_key = home.draw_key()
    tokens = None if settings.tokens is None else TokenTable(settings.tokens)
    store = store_of_server(home, settings)  # last of what can fail: it locks the events
    metrics.watch(store)
    rollouts = RolloutWatch(home, store, RolloutMetrics(metrics.registry))
    pipeline = PipelineSettings(exploration_ratio=settings.exploration_ratio, draw_key=draw_key)
    admission = Admission() if settings.admission else None
    models = ModelChoice(metrics.ladder_too_slow.inc, None if admission is None else admission.spare)
    return _Parts(
        metrics,
        ErrorTable(CREATIVE_CODES),
        registry,
        store,
        Decider(registry.current, store, pipeline, settings.capture_ratio, models, rollouts.saw),
        DecisionReplay(store, DecisionVersions(home, registry.current).snapshot_of, pipeline),
        Gate(
            CallQueue(settings.num_workers, settings.max_concurrent_calls),
            admission,
            Admission() if settings.admission else None,
        ),
        tokens,
        rollouts,
        _tracing(settings),
    )


def _tracing(settings: ServerSettings) -> Tracing | None:
    if not settings.otlp_endpoint:
        return None
    # Not above: servers without spans need not have OpenTelemetry.
    from ranker.serving.tracing import to_collector

    return to_collector(settings.otlp_endpoint, settings.trace_ratio)


def _publish_prior(home: Home) -> None:
    """Lets creatives be served before anything is learned of them."""
    if home.catalogue.is_file() and posterior_store.latest(home.posteriors) is None:
        creative_learner(home).start(time.time())


def _check_servable(home: Home, registry: Registry) -> None:
    if not registry.current().schemas:
        raise StateError(
            "home", str(home.root), "holds no schema and no model: train one with `adranker train-ctr`"
        )
