"""The demo's figures: everything that the table, the report and the JSON line say, computed once."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ranker.demo.calls import ROUND_TRIP
from ranker.demo.merchandising import ATTENTION, constraint_weights, item_number

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from ranker.demo.calls import Call
    from ranker.demo.evaluation import Evaluation, ReplayedPolicy
    from ranker.demo.fixtures import Census
    from ranker.demo.preferences import Preference
    from ranker.demo.propensities import PropensityCheck
    from ranker.demo.traffic import CreativeTraffic, SlateTraffic

    Integers: TypeAlias = NDArray[np.int64]

NUM_BATCHES = 20
# In the order of a request's way.
STAGES = ("decode", "score", "solve", "draw", "creatives", "log", ROUND_TRIP)


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Times of one stage over all requests of a kind."""

    stage: str
    p50_seconds: float
    p99_seconds: float
    seconds: tuple[float, ...]  # one a request


@dataclass(frozen=True, slots=True)
class ConstraintSummary:
    """One limit over all shop requests, in shares of attention or as an average."""

    name: str
    relation: str
    limit: float
    expected_use: float  # mean over requests
    served_use: float  # of the slates that were drawn
    unlimited_use: float  # of the slates that would be worth most without limits
    random_use: float  # of uniformly random slates
    met_ratio: float  # share of requests whose policy met it in expectation
    binding_ratio: float  # share of requests where it had a price
    dual: float  # mean: clicks per request that a unit of the share costs


@dataclass(frozen=True, slots=True)
class SlateSummary:
    """What the shop's requests showed."""

    num_requests: int
    per_second: float
    num_matched: int
    num_clicks: int
    stages: tuple[StageTimes, ...]
    constraints: tuple[ConstraintSummary, ...]
    expected_clicks: float  # per request, predicted, within the limits
    unconstrained_clicks: float  # per request, predicted, without limits
    largest_gap: float
    exploration_ratio: float
    statuses: dict[str, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive census requests."""

    first: int
    last: int
    reward: float
    majority: float  # what always showing the commoner class earns on the same people


@dataclass(frozen=True, slots=True)
class CreativeSummary:
    """What the census requests showed."""

    num_requests: int
    per_second: float
    stages: tuple[StageTimes, ...]
    batches: tuple[Batch, ...]
    reward: float
    first_reward: float  # of the first twentieth
    last_reward: float  # of the last quarter
    last_majority: float
    num_versions: int
    version_starts: tuple[int, ...]  # request at which each posterior version was first seen
    longest_wait_seconds: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """One run of the demo."""

    created_at: datetime
    machine: str
    exit_status: int
    total_seconds: float
    model: dict[str, Any]  # details of the CTR model's card
    model_plots: dict[str, bytes]
    slates: SlateSummary
    creatives: CreativeSummary
    evaluation: Evaluation
    propensities: PropensityCheck
    preferences: tuple[Preference, ...]


def summarise_slates(traffic: SlateTraffic, policy: ReplayedPolicy) -> SlateSummary:
    """Gather the shop's requests; the policy's predictions say what the limits cost."""
    answers = [call.answer for call in traffic.calls]
    best = np.argsort(policy.ctr, axis=1)[:, -len(ATTENTION) :]
    statuses, counts = np.unique([answer.solver_status for answer in answers], return_counts=True)
    return SlateSummary(
        num_requests=len(answers),
        per_second=len(answers) / traffic.wall_seconds,
        num_matched=traffic.num_matched,
        num_clicks=traffic.num_clicks,
        stages=_stages(traffic.calls),
        constraints=_constraints(traffic.calls, best),
        expected_clicks=float(np.mean([answer.expected_objective for answer in answers])),
        unconstrained_clicks=float(np.take_along_axis(policy.ctr, best, axis=1).sum(axis=1).mean()),
        largest_gap=max(answer.gap for answer in answers),
        exploration_ratio=answers[0].exploration_ratio,
        statuses=dict(zip(statuses.tolist(), counts.tolist(), strict=True)),
    )


def summarise_creatives(traffic: CreativeTraffic, census: Census) -> CreativeSummary:
    """Gather the census requests in batches of equal size, whatever the rounds were."""
    classes = census.classes[traffic.people]
    n = len(classes)
    edges = np.linspace(0, n, min(NUM_BATCHES, n) + 1).astype(int)
    batches = tuple(
        Batch(a, b, float(traffic.rewards[a:b].mean()), float((classes[a:b] == 0).mean()))
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    )
    versions = [call.answer.posterior_version for call in traffic.calls]
    starts = sorted(versions.index(version) for version in set(versions))
    recent = slice(n * 3 // 4, n)
    return CreativeSummary(
        num_requests=n,
        per_second=n / traffic.wall_seconds,
        stages=_stages(traffic.calls),
        batches=batches,
        reward=float(traffic.rewards.mean()),
        first_reward=batches[0].reward,
        last_reward=float(traffic.rewards[recent].mean()),
        last_majority=float((classes[recent] == 0).mean()),
        num_versions=len(starts),
        version_starts=tuple(starts),
        longest_wait_seconds=max(traffic.wait_seconds),
    )


def machine_name() -> str:
    """Say what the figures were taken on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def read_model_plots(directory: Path) -> dict[str, bytes]:
    """Read the plots that training left beside the model."""
    return {path.stem: path.read_bytes() for path in sorted(directory.glob("*.png"))}


def _stages(calls: tuple[Call, ...]) -> tuple[StageTimes, ...]:
    found = []
    for stage in STAGES:
        seconds = np.array([call.seconds[stage] for call in calls])
        p50, p99 = np.quantile(seconds, (0.5, 0.99)).tolist()
        found.append(StageTimes(stage, p50, p99, tuple(seconds.tolist())))
    return tuple(found)


def _constraints(calls: tuple[Call, ...], best: Integers) -> tuple[ConstraintSummary, ...]:
    """`best` `(n, k)` are the items worth most of each request."""
    shown = np.array([[item_number(ad.candidate_id) for ad in call.answer.slate] for call in calls])
    total, weights = float(ATTENTION.sum()), constraint_weights()
    served, unlimited = ((weights[:, items] @ ATTENTION / total).mean(axis=1) for items in (shown, best))
    found = []
    for k, first in enumerate(calls[0].answer.constraints):
        reports = [call.answer.constraints[k] for call in calls]
        duals = np.array([report.dual for report in reports])
        found.append(
            ConstraintSummary(
                name=first.name,
                relation=first.relation.value,
                limit=first.limit / total,
                expected_use=float(np.mean([report.expected_use for report in reports])) / total,
                served_use=float(served[k]),
                unlimited_use=float(unlimited[k]),
                random_use=round(float(weights[k].mean()), 12) + 0.0,  # standardised prices sum to −0
                met_ratio=float(np.mean([report.met for report in reports])),
                binding_ratio=float((duals > 0).mean()),
                dual=float(duals.mean()) * total,
            )
        )
    return tuple(found)
