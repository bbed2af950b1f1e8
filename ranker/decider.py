"""Decides and keeps: the pipeline with the current snapshot, and the log that its answers may not outrun."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ranker.errors import InvalidInputError, RankerError
from ranker.model_choice import ModelChoice
from ranker.pipeline import rank
from ranker.step_choice import StepChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.events.store import EventStore
    from ranker.pipeline import PipelineSettings
    from ranker.slate import Decision, RankRequest
    from ranker.snapshot import Snapshot
    from ranker.stages import StageTimer


def is_captured(request_id: str, ratio: float) -> bool:
    """Says whether a request is kept for replay: a share `ratio` of them is, the same on every replica."""
    digest = hashlib.blake2b(request_id.encode(), digest_size=8, person=b"capture").digest()
    return int.from_bytes(digest) < ratio * 2.0**64


class Decider:
    """Answers requests; used by many threads at once."""

    def __init__(
        self,
        current_snapshot: Callable[[], Snapshot],
        store: EventStore,
        settings: PipelineSettings,
        capture_ratio: float = 0.0,
        models: ModelChoice | None = None,
        saw: Callable[[RankRequest, Decision, Snapshot], None] | None = None,
    ) -> None:
        self._current_snapshot = current_snapshot
        self._store = store
        self._settings = settings
        self._capture_ratio = capture_ratio
        self._models = models or ModelChoice()
        self._steps = StepChoice()
        self._saw = saw  # is told of each decision that is kept; may neither wait nor raise

    def decide(self, request: RankRequest, timer: StageTimer) -> Decision:
        """Returns the decision, kept as the store's durability says; a retry gets the one that is kept.

        Under QUEUED nobody waits to learn what is kept, so a retry may be answered with another draw.

        Raises what `pipeline.rank` raises, and InvalidInputError where the id belongs to another request.
        """
        snapshot = self._current_snapshot()
        pinned = self._models.pinned(request, snapshot, timer.seconds_left())
        try:
            plan = self._steps.plan(request, pinned, snapshot, timer.seconds_left)
            decision = rank(pinned, snapshot, self._settings, timer, plan)
        except RankerError:
            # A retry is answered even where its model or schema is no longer served.
            stored = self._store.find_decision(request.request_id)
            if stored is None or stored.request_hash != request.content_hash:
                raise
            return stored
        if plan.ctr is None:
            self._models.scored(pinned, snapshot, timer.seconds["score"])
        self._steps.learn(pinned, decision, timer.seconds)
        if request.mode.no_log:
            return decision
        captured = request if is_captured(request.request_id, self._capture_ratio) else None
        kept = self._store.record_decision(decision, captured)
        answered = kept.result().decision if self._store.durability.waits else decision
        timer.lap("log")
        if answered.request_hash != request.content_hash:
            raise InvalidInputError("request_id", request.request_id, "was used for another request")
        if self._saw is not None and answered is decision:
            self._saw(request, decision, snapshot)
        return answered

    def answered(self, num_candidates: int, timer: StageTimer) -> None:
        """Learns from what an answer took until it had left."""
        stages = timer.seconds
        if "solve" in stages:  # not so where a retry was answered from the log
            rest = timer.elapsed() - stages["score"]
            self._models.answered(num_candidates, rest)
            self._steps.answered(num_candidates, rest - stages["solve"])
