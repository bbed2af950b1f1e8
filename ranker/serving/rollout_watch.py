"""Watches experiments: counts their answers, judges their arms, ends those that leave their bounds."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

from ranker.errors import RankerError, StateError
from ranker.rollout.changes import end
from ranker.rollout.guard import ArmRecord, calibration_leaves, latency_leaves
from ranker.rollout.plan import CONTROL
from ranker.rollout.rollout_file import ROLLOUT_FILE, change_rollout
from ranker.serving.incident import Incident
from ranker.serving.shadow import ShadowRunner

if TYPE_CHECKING:
    from ranker.events.records import JoinedReward
    from ranker.events.store import EventStore
    from ranker.home import Home
    from ranker.rollout.plan import Experiment
    from ranker.serving.registry import Registry
    from ranker.serving.rollout_metrics import RolloutMetrics
    from ranker.slate import Decision, RankRequest
    from ranker.snapshot import Snapshot

logger = logging.getLogger(__name__)

# Rewards read at once, and how far a reader may fall behind before it skips to the end: a sample is enough.
READ_LIMIT = 1000
MAX_LAG = 20 * READ_LIMIT


class RolloutWatch:
    """Sees each answer (`saw`, any thread) and judges now and then (`poll`, one thread)."""

    def __init__(self, home: Home, store: EventStore, metrics: RolloutMetrics) -> None:
        self._home = home
        self._store = store
        self._metrics = metrics
        self._shadows = ShadowRunner(metrics)
        self._lock = threading.Lock()
        # By schema: the experiment as it is watched, and the records of its arms.
        self._watched: dict[str, tuple[Experiment, dict[str, ArmRecord]]] = {}
        self._sequence: int | None = None  # read up to; None: nobody experiments
        self._writing = Incident()

    def saw(self, request: RankRequest, decision: Decision, snapshot: Snapshot) -> None:
        """Notes one new decision."""
        if not decision.model_version:
            return
        rollout = snapshot.rollouts.get(decision.schema_id)
        if rollout is None:
            return
        if rollout.shadow is not None:
            scorer = snapshot.scorer(decision.schema_id, rollout.shadow.version)
            self._shadows.offer(rollout.shadow, scorer, request, decision)
        if decision.experiment:
            self._metrics.answers.labels(decision.arm).inc()
            with self._lock:
                record = self._record(decision)
                if record is not None and "score" in decision.stage_seconds:
                    record.score_seconds.append(decision.stage_seconds["score"])

    def poll(self, registry: Registry) -> None:
        """Reads new rewards, judges each arm, and rolls back what has left its bounds."""
        self._follow(registry.current())
        if not self._watched:
            self._sequence = None
            return
        rewards = self._new_rewards()
        with self._lock:
            for reward in rewards:
                self._count(reward)
        for schema_id, (experiment, records) in list(self._watched.items()):
            cause = self._judged(experiment, records)
            if cause is not None:
                self._roll_back(schema_id, experiment, *cause)
                registry.poll()

    def close(self) -> None:
        """Lets the shadow finish."""
        self._shadows.close()

    def _follow(self, snapshot: Snapshot) -> None:
        running = {
            schema_id: rollout.experiment
            for schema_id, rollout in snapshot.rollouts.items()
            if rollout.experiment is not None
        }
        with self._lock:
            for schema_id in set(self._watched) - set(running):
                del self._watched[schema_id]
            for schema_id, experiment in running.items():
                if schema_id not in self._watched or self._watched[schema_id][0] != experiment:
                    names = (CONTROL, *(arm.name for arm in experiment.arms))
                    self._watched[schema_id] = experiment, {name: ArmRecord() for name in names}

    def _new_rewards(self) -> list[JoinedReward]:
        last = self._store.last_sequence()
        if self._sequence is None or last - self._sequence > MAX_LAG:
            self._sequence = last
        found = self._store.joined_after(self._sequence, READ_LIMIT)
        if found:
            self._sequence = found[-1].sequence
        return found

    def _count(self, reward: JoinedReward) -> None:
        record = self._record(reward.decision)
        if record is not None:
            shown = reward.decision.shown[reward.position]
            record.expected += shown.ctr * shown.attention
            record.observed += reward.reward

    def _record(self, decision: Decision) -> ArmRecord | None:
        experiment, records = self._watched.get(decision.schema_id, (None, {}))
        return records.get(decision.arm) if experiment and experiment.name == decision.experiment else None

    def _judged(self, experiment: Experiment, records: dict[str, ArmRecord]) -> tuple[str, str] | None:
        with self._lock:
            for name, record in records.items():
                if record.expected:
                    self._metrics.calibration.labels(name).set(record.calibration)
            for arm in experiment.arms:
                record = records[arm.name]
                if latency_leaves(experiment.bounds, record):
                    return "latency", f"{arm.name} takes longer to score than its bound"
                if calibration_leaves(experiment.bounds, record, records[CONTROL]):
                    text = f"{record.calibration:.3g} clicks per expected one"
                    return "calibration", f"{arm.name} has {text}, {records[CONTROL].calibration:.3g} without"
        return None

    def _roll_back(self, schema_id: str, experiment: Experiment, cause: str, reason: str) -> None:
        path = self._home.models / schema_id / ROLLOUT_FILE
        with self._writing.watched(StateError):
            try:
                change_rollout(path, partial(end, name=experiment.name, reason=f"rolled back: {reason}"))
            except (RankerError, OSError) as error:
                self._metrics.rollback_failures.inc()
                raise StateError("rollout", str(path), f"cannot be changed: {error}") from error
            self._metrics.rollbacks.labels(cause).inc()
            logger.warning("experiment %s of %s is rolled back: %s", experiment.name, schema_id, reason)
