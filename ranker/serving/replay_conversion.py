"""Writes replayed and explained decisions as protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ads.ranker.v1 import admin_pb2
from ranker.serving.answer_conversion import answer_to_proto

if TYPE_CHECKING:
    from ranker.decision_replay import ReplayedDecision
    from ranker.explanation import CandidateExplanation, Explanation


def replayed_to_proto(replayed: ReplayedDecision) -> admin_pb2.ReplayDecisionResponse:
    """Writes both decisions and where they differ."""
    return admin_pb2.ReplayDecisionResponse(
        is_equal=not replayed.differences,
        differences=[
            admin_pb2.DecisionDifference(field=d.field, logged=d.logged, recomputed=d.recomputed)
            for d in replayed.differences
        ],
        logged=answer_to_proto(replayed.logged, replayed.logged.stage_seconds),
        recomputed=answer_to_proto(replayed.recomputed, replayed.recomputed.stage_seconds),
    )


def explanation_to_proto(explanation: Explanation) -> admin_pb2.ExplainResponse:
    """Writes what led to a slate."""
    decision = explanation.replayed.recomputed
    return admin_pb2.ExplainResponse(
        is_equal=not explanation.replayed.differences,
        decision=answer_to_proto(decision, decision.stage_seconds),
        candidates=[_candidate_to_proto(each) for each in explanation.candidates],
        constraints=[
            admin_pb2.ConstraintExplanation(name=each.name, dual=each.dual, cost=each.cost)
            for each in explanation.constraints
        ],
        constraints_cost=explanation.constraints_cost,
        mixture=[
            admin_pb2.MixtureSlate(
                candidate_ids=[decision.candidate_ids[i] for i in slate], probability=probability
            )
            for slate, probability in zip(decision.slates, decision.probabilities, strict=True)
        ],
        exploration_draw=explanation.exploration_draw,
        mixture_draw=explanation.mixture_draw,
        is_explored=explanation.explored,
    )


def _candidate_to_proto(candidate: CandidateExplanation) -> admin_pb2.CandidateExplanation:
    return admin_pb2.CandidateExplanation(
        candidate_id=candidate.candidate_id,
        ctr=candidate.ctr,
        bid=candidate.bid,
        value=candidate.value,
        reduced_value=candidate.reduced_value,
        expected_attention=candidate.expected_attention,
        position=candidate.position,
    )
