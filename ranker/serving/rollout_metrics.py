"""What Prometheus sees of experiments and shadows. Arms are named by people: there are few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from ranker.serving.metrics import STAGE_BUCKETS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

DIFFERENCE_BUCKETS = (1e-6, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class RolloutMetrics:
    """Metrics of arms, of what ended them, and of shadows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answers = Counter("adranker_arm_answers", "Answers by arm.", ["arm"], registry=registry)
        self.calibration = Gauge(
            "adranker_arm_calibration_ratio",
            "Clicks per expected click (Σ ctr·attention) of the arm since this server saw the experiment.",
            ["arm"],
            registry=registry,
        )
        self.rollbacks = Counter(
            "adranker_rollout_rollbacks", "Experiments that this server ended.", ["cause"], registry=registry
        )
        self.rollback_failures = Counter(
            "adranker_rollout_rollback_failures",
            "Experiments that should have ended and whose file could not be written.",
            registry=registry,
        )
        self.shadowed = Counter(
            "adranker_shadow_requests",
            "Requests for the shadow: compared, dropped for want of time, or failed.",
            ["result"],
            registry=registry,
        )
        self.difference = Histogram(
            "adranker_shadow_difference_ratio",
            "Mean |shadow's ctr − served ctr| of a request's candidates, of their mean served ctr.",
            buckets=DIFFERENCE_BUCKETS,
            registry=registry,
        )
        self.ctr_sum = Counter(
            "adranker_shadow_ctr",
            "Sum of the mean ctr of compared requests, as served and as the shadow says.",
            ["model"],
            registry=registry,
        )
        self.best_changed = Counter(
            "adranker_shadow_best_changed",
            "Compared requests whose most valuable candidate is another for the shadow.",
            registry=registry,
        )
        self.score_seconds = Histogram(
            "adranker_shadow_score_seconds",
            "Time of the shadow's scoring.",
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
