"""Decides and keeps: the pipeline with the current snapshot, and the log that its answers may not outrun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranker.errors import InvalidInputError
from ranker.events.settings import Durability
from ranker.pipeline import rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.events.store import EventStore
    from ranker.pipeline import PipelineSettings
    from ranker.slate import Decision, RankRequest
    from ranker.snapshot import Snapshot
    from ranker.stages import StageTimer


class Decider:
    """Answers requests; used by many threads at once."""

    def __init__(
        self, current_snapshot: Callable[[], Snapshot], store: EventStore, settings: PipelineSettings
    ) -> None:
        self._current_snapshot = current_snapshot
        self._store = store
        self._settings = settings

    def decide(self, request: RankRequest, timer: StageTimer) -> Decision:
        """Returns the decision, kept as the store's durability says; a retry gets the one that is kept.

        Raises what `pipeline.rank` raises, and InvalidInputError where the id belongs to another request.
        """
        decision = rank(request, self._current_snapshot(), self._settings, timer)
        if request.mode.no_log:
            return decision
        kept = self._store.record_decision(decision)
        if self._store.durability is not Durability.QUEUED:
            decision = kept.result().decision
        timer.lap("log")
        if decision.request_hash != request.content_hash:
            raise InvalidInputError("request_id", request.request_id, "was used for another request")
        return decision
