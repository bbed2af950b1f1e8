"""The services: each method converts, delegates, converts. Errors are left to the edge."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from google.rpc import code_pb2

from ads.ranker.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    event_pb2,
    learner_pb2,
    learner_pb2_grpc,
    ranker_pb2,
    ranker_pb2_grpc,
)
from ranker.errors import InvalidInputError, NotFoundError, OverloadedError
from ranker.events.store import OutcomeStatus
from ranker.explanation import explain
from ranker.serving.answer_conversion import answer_to_proto
from ranker.serving.call_ids import REQUEST_ID, TRACE
from ranker.serving.replay_conversion import explanation_to_proto, replayed_to_proto
from ranker.serving.request_conversion import outcome_from_proto, request_from_proto
from ranker.serving.rollout_conversion import arms_to_proto
from ranker.stages import StageTimer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import grpc

    from ranker.decider import Decider
    from ranker.decision_replay import DecisionReplay
    from ranker.events.records import Outcome
    from ranker.events.store import EventStore
    from ranker.serving.error_table import ErrorTable
    from ranker.serving.metrics import Metrics
    from ranker.serving.registry import Registry
    from ranker.slate import Decision

logger = logging.getLogger(__name__)

MAX_BATCH = 1000


class RankerServicer(ranker_pb2_grpc.RankerServiceServicer):
    """Ranks."""

    def __init__(self, decider: Decider, metrics: Metrics, errors: ErrorTable) -> None:
        self._decider = decider
        self._metrics = metrics
        self._errors = errors

    def Rank(self, request: ranker_pb2.RankRequest, context: grpc.ServicerContext) -> ranker_pb2.RankResponse:
        """Answers one request."""
        timer = StageTimer(context.time_remaining())
        try:
            response = self._answer(request, timer)
        finally:
            if (trace := TRACE.get()) is not None:
                trace.stages(timer)
        left = partial(self._decider.answered, len(request.candidates.ids), timer)
        if not context.add_callback(left):  # the caller is gone already
            left()
        return response

    def BatchRank(
        self, request: ranker_pb2.BatchRankRequest, context: grpc.ServicerContext
    ) -> ranker_pb2.BatchRankResponse:
        """Answers each request on its own."""
        if len(request.requests) > MAX_BATCH:
            raise InvalidInputError("requests.length", len(request.requests), f"at most {MAX_BATCH}")
        waiting = len(request.requests)
        results = []
        for item in request.requests:
            left = context.time_remaining()
            # What is left is for all that still wait.
            results.append(self._result(item, StageTimer(None if left is None else left / waiting)))
            waiting -= 1
        return ranker_pb2.BatchRankResponse(results=results)

    def _result(self, message: ranker_pb2.RankRequest, timer: StageTimer) -> ranker_pb2.RankResult:
        try:
            return ranker_pb2.RankResult(response=self._answer(message, timer))
        except self._errors.expected as error:
            item = self._errors.item_error(error)
            self._metrics.batch_errors.labels(code_pb2.Code.Name(item.code)).inc()
            return ranker_pb2.RankResult(error=item)

    def _answer(self, message: ranker_pb2.RankRequest, timer: StageTimer) -> ranker_pb2.RankResponse:
        REQUEST_ID.set(message.request_id)
        request = request_from_proto(message)
        timer.lap("decode")
        decision = self._decider.decide(request, timer)
        response = answer_to_proto(decision, timer.seconds)
        timer.lap("encode")
        self._metrics.observe(decision, timer.seconds)
        _tell(decision, timer)
        return response


def _tell(decision: Decision, timer: StageTimer) -> None:
    """Logs an answer: of sampled calls always, of others for who asks for every line."""
    trace = TRACE.get()
    if trace is None and not logger.isEnabledFor(logging.DEBUG):
        return
    fields = {
        "decision_id": decision.decision_id,
        "schema_id": decision.schema_id,
        "model_version": decision.model_version,
        "posterior_version": decision.posterior_version,
        "experiment": decision.experiment,
        "arm": decision.arm,
        "degradation": decision.degradation,
        "solver_status": decision.solver_status,
        "num_candidates": len(decision.candidate_ids),
        "num_positions": len(decision.shown),
        "seconds": round(timer.elapsed(), 6),
    }
    logger.log(logging.DEBUG if trace is None else logging.INFO, "decided", extra={"fields": fields})
    if trace is not None:
        trace.tell(fields)


class LearnerServicer(learner_pb2_grpc.LearnerServiceServicer):
    """Takes outcomes."""

    def __init__(self, store: EventStore, max_streams: int) -> None:
        self._store = store
        self._max_streams = max_streams
        self._streams = threading.BoundedSemaphore(max_streams)

    def ReportOutcomes(
        self, request_iterator: Iterator[learner_pb2.ReportOutcomesRequest], context: grpc.ServicerContext
    ) -> learner_pb2.ReportOutcomesResponse:
        """Stores message by message; answers once everything is stored."""
        if not self._streams.acquire(blocking=False):
            raise OverloadedError(
                "streams", self._max_streams, "all are taken: send in shorter streams, later"
            )
        try:
            return self._stored(request_iterator)
        finally:
            self._streams.release()

    def _stored(
        self, request_iterator: Iterator[learner_pb2.ReportOutcomesRequest]
    ) -> learner_pb2.ReportOutcomesResponse:
        seen: Counter[OutcomeStatus] = Counter()
        for message in request_iterator:
            outcomes = [_outcome(i, outcome) for i, outcome in enumerate(message.outcomes)]
            statuses = self._store.record_outcomes(outcomes).result()
            _refuse_unknown(outcomes, statuses)
            seen.update(statuses)
        return learner_pb2.ReportOutcomesResponse(
            num_joined=seen[OutcomeStatus.JOINED],
            num_duplicates=seen[OutcomeStatus.DUPLICATE],
            num_late=seen[OutcomeStatus.LATE],
            num_already_rewarded=seen[OutcomeStatus.ALREADY_REWARDED],
            num_published=seen[OutcomeStatus.PUBLISHED],
        )


def _outcome(index: int, message: event_pb2.Outcome) -> Outcome:
    try:
        return outcome_from_proto(message)
    except InvalidInputError as error:
        field = error.field.replace("outcome", f"outcomes[{index}]", 1)
        raise InvalidInputError(field, error.value, error.problem) from error


def _refuse_unknown(outcomes: Sequence[Outcome], statuses: Iterable[OutcomeStatus]) -> None:
    for i, status in enumerate(statuses):
        if status is OutcomeStatus.UNKNOWN_DECISION:
            raise NotFoundError(
                f"outcomes[{i}].decision_id", outcomes[i].decision_id, "no such decision is stored"
            )
        if status is OutcomeStatus.UNKNOWN_POSITION:
            raise NotFoundError(
                f"outcomes[{i}].position", outcomes[i].position, "the slate has no such position"
            )


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Tells and changes versions; replays and explains decisions."""

    def __init__(self, registry: Registry, replay: DecisionReplay) -> None:
        self._registry = registry
        self._replay = replay

    def ListVersions(
        self, request: admin_pb2.ListVersionsRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ListVersionsResponse:
        """Tells what is served."""
        return admin_pb2.ListVersionsResponse(versions=self._versions())

    def Reload(
        self, request: admin_pb2.ReloadRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ReloadResponse:
        """Takes up what is new."""
        self._registry.reload()
        return admin_pb2.ReloadResponse(versions=self._versions())

    def ReplayDecision(
        self, request: admin_pb2.ReplayDecisionRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ReplayDecisionResponse:
        """Recomputes a decision."""
        return replayed_to_proto(self._replay.replay(request.decision_id))

    def Explain(
        self, request: admin_pb2.ExplainRequest, context: grpc.ServicerContext
    ) -> admin_pb2.ExplainResponse:
        """Explains a decision."""
        return explanation_to_proto(explain(self._replay.replay(request.decision_id)))

    def _versions(self) -> admin_pb2.ServedVersions:
        snapshot = self._registry.current()
        versions = admin_pb2.ServedVersions(attention_version=snapshot.attention_version)
        for schema_id, scorers in snapshot.scorers.items():
            default = snapshot.default_version(schema_id)
            for version in scorers:
                versions.models.add(schema_id=schema_id, version=version, is_default=version == default)
        versions.arms.extend(arms_to_proto(snapshot.rollouts))
        if snapshot.selector is not None and snapshot.posterior is not None:
            versions.posterior.version = snapshot.selector.version
            versions.posterior.catalogue_version = snapshot.posterior.catalogue_version
            versions.posterior.sequence = snapshot.posterior.sequence
        return versions
