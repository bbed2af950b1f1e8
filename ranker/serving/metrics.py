"""What Prometheus sees: every metric of the server, with labels from closed sets."""

from __future__ import annotations

import time
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from ranker.events.store import EventStore
    from ranker.slate import Decision

LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0)
STAGE_BUCKETS = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.5)
STEP_BUCKETS = (1, 2, 5, 10, 20, 30, 50, 75, 100, 200, 500, 1000)
GAP_BUCKETS = (1e-12, 1e-9, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)


class Metrics:
    """Owns the registry and the metrics that code observes; label children are bound by the caller."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.calls = Counter(
            "adranker_rpc_calls", "Calls by method and gRPC code.", ["method", "code"], registry=r
        )
        self.arrived = Counter(
            "adranker_rpc_arrived",
            "Calls that arrived by method, also those that gRPC turned away at max_concurrent_calls.",
            ["method"],
            registry=r,
        )
        self.refused = Counter(
            "adranker_rpc_refused", "Calls without the right token, by gRPC code.", ["code"], registry=r
        )
        self.shed = Counter(
            "adranker_rpc_shed",
            "Calls of low priority refused as they arrived, to leave room for more urgent ones.",
            registry=r,
        )
        self.batch_errors = Counter(
            "adranker_batch_errors", "Requests of batches that were refused, by code.", ["code"], registry=r
        )
        self.latency = Histogram(
            "adranker_rpc_latency_seconds",
            "Time from decode to answer.",
            ["method"],
            buckets=LATENCY_BUCKETS,
            registry=r,
        )
        self.inflight = Gauge("adranker_rpc_inflight", "Calls being answered.", registry=r)
        self.stage = Histogram(
            "adranker_stage_seconds",
            "Time of one stage of Rank.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=r,
        )
        self.solver_steps = Histogram(
            "adranker_solver_steps", "Slates priced for one request.", buckets=STEP_BUCKETS, registry=r
        )
        self.solver_gap = Histogram(
            "adranker_solver_gap_ratio", "(bound − objective) / |bound|.", buckets=GAP_BUCKETS, registry=r
        )
        self.solver_status = Counter("adranker_solver_answers", "Answers by status.", ["status"], registry=r)
        self.model_answers = Counter(
            "adranker_model_answers",
            "Answers by version of the CTR model; none: the caller brought the scores.",
            ["model"],  # not a closed set, but it changes only where a model is published
            registry=r,
        )
        self.ladder_too_slow = Counter(
            "adranker_ladder_too_slow",
            "Requests that got a ladder's fastest model although not even that was predicted to be in time.",
            registry=r,
        )
        self.degraded = Counter(
            "adranker_degraded_answers",
            "Answers that gave something up to be in time: smaller_model, last_scores, unconstrained.",
            ["step"],
            registry=r,
        )
        self.violations = Counter(
            "adranker_constraint_violations",
            "Constraints that a mixture could not meet.",
            ["relation"],
            registry=r,
        )
        self.positions = Counter("adranker_slate_positions", "Positions filled.", registry=r)
        self.exploration_ratio = Gauge(
            "adranker_exploration_ratio", "Share of uniform slates in force.", registry=r
        )
        self.posterior_age = Gauge(
            "adranker_posterior_age_seconds", "Age of the served posterior.", registry=r
        )
        self.posterior_sequence = Gauge(
            "adranker_posterior_sequence",
            "Joined events that the served posterior has learned from.",
            registry=r,
        )
        self.posterior_disagreement = Gauge(
            "adranker_posterior_disagreement_ratio",
            "Difference of its click rates from the reference fit's, of the mean rate, when last compared.",
            registry=r,
        )
        self.reloads = Counter("adranker_snapshot_reloads", "Switches of what is served.", registry=r)
        self.reload_failures = Counter(
            "adranker_snapshot_reload_failures", "New versions that could not be loaded.", registry=r
        )
        self.learner_up = Gauge(
            "adranker_learner_up", "1 while the server's own learner process runs.", registry=r
        )
        # Of each answer; prometheus_client would look for the child under a lock, by its labels as text.
        self._stage_child = cache(self.stage.labels)
        self._status_child = cache(self.solver_status.labels)
        self._model_child = cache(self.model_answers.labels)

    def watch(self, store: EventStore) -> None:
        """Adds the event store's counts to every scrape."""
        self.registry.register(EventCollector(store))

    def observe(self, decision: Decision, stage_seconds: Mapping[str, float]) -> None:
        """Counts one answered request."""
        for stage, seconds in stage_seconds.items():
            self._stage_child(stage).observe(seconds)
        self.solver_steps.observe(decision.solver_steps)
        gap = decision.objective_bound - decision.expected_objective
        self.solver_gap.observe(gap / max(abs(decision.objective_bound), 1e-300))
        self._status_child(decision.solver_status).inc()
        self._model_child(decision.model_version or "none").inc()
        if decision.degradation:
            self.degraded.labels(decision.degradation).inc()
        self.positions.inc(len(decision.shown))
        for report in decision.constraints:
            if not report.met:
                self.violations.labels(report.relation.value).inc()

    def serves_posterior(self, created_at: float, sequence: int, disagreement: float | None) -> None:
        """Tells which posterior is served from now on; most are not compared with the reference."""
        if disagreement is not None:
            self.posterior_disagreement.set(disagreement)
        self.posterior_age.set_function(lambda: time.time() - created_at)
        self.posterior_sequence.set(sequence)


class EventCollector(Collector):
    """Reads the store's counts at each scrape: they live in the store, across restarts of the server."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yields the counters and the queue's length."""
        counts = self._store.counts()
        for field in fields(counts):
            name = f"adranker_events_{field.name}"
            value = float(getattr(counts, field.name))
            if field.name == "queued":
                yield GaugeMetricFamily(name, "Records that wait for the writer.", value=value)
            else:
                yield CounterMetricFamily(name, f"Events that were {field.name}.", value=value)
