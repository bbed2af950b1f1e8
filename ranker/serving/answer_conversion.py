"""Writes decisions as protobuf responses, and reads responses back for the client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ads.ranker.v1 import ranker_pb2
from ranker.serving.request_conversion import RELATION_TO_PROTO, RELATIONS
from ranker.slate import ConstraintReport, Creative, ShownAd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ranker.slate import Decision


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets: the response as data. Fields as in `ranker.slate.Decision`."""

    decision_id: str
    slate: tuple[ShownAd, ...]
    slate_propensity: float
    expected_objective: float
    objective_bound: float
    gap: float
    constraints: tuple[ConstraintReport, ...]
    solver_status: str
    solver_steps: int
    model_version: str
    posterior_version: str
    exploration_ratio: float
    stage_seconds: dict[str, float]
    attention_version: str
    degradation: str  # what was given up to be in time
    experiment: str  # of the model's rollout; "": in none
    arm: str


def answer_to_proto(decision: Decision, stage_seconds: Mapping[str, float]) -> ranker_pb2.RankResponse:
    """Writes the response: a function of the kept decision, so that a retry reads the same."""
    return ranker_pb2.RankResponse(
        decision_id=decision.decision_id,
        slate=_slate_to_proto(decision.shown),
        slate_propensity=decision.slate_propensity,
        expected_objective=decision.expected_objective,
        objective_bound=decision.objective_bound,
        gap=decision.objective_bound - decision.expected_objective,
        constraints=[_report_to_proto(report) for report in decision.constraints],
        solver_status=decision.solver_status,
        solver_steps=decision.solver_steps,
        model_version=decision.model_version,
        posterior_version=decision.posterior_version,
        exploration_ratio=decision.exploration_ratio,
        stage_seconds=stage_seconds,
        attention_version=decision.attention_version,
        degradation=decision.degradation,
        experiment=decision.experiment,
        arm=decision.arm,
    )


def _slate_to_proto(shown: Sequence[ShownAd]) -> list[ranker_pb2.ShownAd]:
    # Most ads of a slate share the draw's best creative: it is written once, and copied.
    creatives = {id(ad.creative): ad.creative for ad in shown}
    written = {
        key: None if creative is None else _creative_to_proto(creative) for key, creative in creatives.items()
    }
    return [
        ranker_pb2.ShownAd(
            candidate_id=ad.candidate_id,
            ctr=ad.ctr,
            value=ad.value,
            attention=ad.attention,
            propensity=ad.propensity,
            creative=written[id(ad.creative)],
        )
        for ad in shown
    ]


def _creative_to_proto(creative: Creative) -> ranker_pb2.Creative:
    return ranker_pb2.Creative(
        space_id=creative.space_id,
        elements=[ranker_pb2.SlotElement(slot=s, element=e) for s, e in creative.elements.items()],
        propensity=creative.propensity,
        draw=creative.draw,
        floor=creative.floor,
        feasible_hash=creative.feasible_hash,
        pool_seed=creative.pool_seed,
        exact=creative.exact,
    )


def _report_to_proto(report: ConstraintReport) -> ranker_pb2.ConstraintReport:
    return ranker_pb2.ConstraintReport(
        name=report.name,
        relation=RELATION_TO_PROTO[report.relation],
        limit=report.limit,
        expected_use=report.expected_use,
        slack=report.slack,
        dual=report.dual,
        met=report.met,
    )


def answer_from_proto(message: ranker_pb2.RankResponse) -> Answer:
    """Reads a response."""
    return Answer(
        decision_id=message.decision_id,
        slate=tuple(_shown_from_proto(ad) for ad in message.slate),
        slate_propensity=message.slate_propensity,
        expected_objective=message.expected_objective,
        objective_bound=message.objective_bound,
        gap=message.gap,
        constraints=tuple(_report_from_proto(report) for report in message.constraints),
        solver_status=message.solver_status,
        solver_steps=message.solver_steps,
        model_version=message.model_version,
        posterior_version=message.posterior_version,
        exploration_ratio=message.exploration_ratio,
        stage_seconds=dict(message.stage_seconds),
        attention_version=message.attention_version,
        degradation=message.degradation,
        experiment=message.experiment,
        arm=message.arm,
    )


def _shown_from_proto(ad: ranker_pb2.ShownAd) -> ShownAd:
    return ShownAd(
        candidate_id=ad.candidate_id,
        ctr=ad.ctr,
        value=ad.value,
        attention=ad.attention,
        propensity=ad.propensity,
        creative=_creative_from_proto(ad.creative) if ad.HasField("creative") else None,
    )


def _creative_from_proto(creative: ranker_pb2.Creative) -> Creative:
    return Creative(
        space_id=creative.space_id,
        elements={pair.slot: pair.element for pair in creative.elements},
        propensity=creative.propensity,
        draw=creative.draw,
        floor=creative.floor,
        feasible_hash=creative.feasible_hash,
        pool_seed=creative.pool_seed,
        exact=creative.exact,
    )


def _report_from_proto(report: ranker_pb2.ConstraintReport) -> ConstraintReport:
    return ConstraintReport(
        name=report.name,
        relation=RELATIONS[report.relation],
        limit=report.limit,
        expected_use=report.expected_use,
        slack=report.slack,
        dual=report.dual,
        met=report.met,
    )
