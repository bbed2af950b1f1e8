"""Scores answered requests again with another model, beside the request path, and compares."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import RankerError
from ranker.rollout.plan import unit_point

if TYPE_CHECKING:
    from ranker.rollout.plan import Shadow
    from ranker.scoring.protocol import Scorer
    from ranker.serving.rollout_metrics import RolloutMetrics
    from ranker.slate import Decision, RankRequest

    Work: TypeAlias = tuple[RankRequest, Decision, Scorer]

# Requests that wait. More would only be older: the shadow may miss some.
CAPACITY = 64


class ShadowRunner:
    """One thread. Nothing that happens here reaches an answer; what finds no room is counted and dropped."""

    def __init__(self, metrics: RolloutMetrics) -> None:
        self._metrics = metrics
        self._queue: queue.Queue[Work | None] = queue.Queue(CAPACITY)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, shadow: Shadow, scorer: Scorer, request: RankRequest, decision: Decision) -> None:
        """Queues the request where it is in the shadow's share; never waits."""
        if unit_point(f"shadow {shadow.version}", request.request_id) >= shadow.share:
            return
        try:
            self._queue.put_nowait((request, decision, scorer))
        except queue.Full:
            self._metrics.shadowed.labels("dropped").inc()

    def close(self) -> None:
        """Compares what is queued, then ends."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                self._compare(*work)
            except RankerError:  # the model does not fit the request, or gave no probability
                self._metrics.shadowed.labels("failed").inc()
            else:
                self._metrics.shadowed.labels("compared").inc()

    def _compare(self, request: RankRequest, decision: Decision, scorer: Scorer) -> None:
        candidates, context = request.candidates, request.context
        started = time.perf_counter()
        ctr = scorer.score(context.numeric, context.categorical, candidates.numeric, candidates.categorical)
        metrics = self._metrics
        metrics.score_seconds.observe(time.perf_counter() - started)
        served = np.array(decision.ctr)
        metrics.difference.observe(float(np.abs(ctr - served).mean() / max(served.mean(), 1e-12)))
        metrics.ctr_sum.labels("served").inc(float(served.mean()))
        metrics.ctr_sum.labels("shadow").inc(float(ctr.mean()))
        if np.argmax(ctr * candidates.bids) != np.argmax(served * candidates.bids):
            metrics.best_changed.inc()
