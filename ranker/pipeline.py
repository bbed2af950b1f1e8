"""The way of one request: score → solve → draw → creatives → decision.

Creatives come after the slate is drawn: they do not change it, so the slate's propensity needs no integral
over posterior draws, and P(slate, creative) = P(slate)·P(creative) holds at every position.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ranker.degradation import FULL, solved_by_plan
from ranker.errors import InvalidInputError, RankerError
from ranker.exploration import ExploredMixture
from ranker.question import Question, question_of, signs_of, solved_together
from ranker.rollout.plan import Assignment
from ranker.slate import ConstraintReport, Creative, Decision, ShownAd
from ranker.solver import Settings as SolverSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ranker.creatives import Selection
    from ranker.degradation import Plan
    from ranker.scoring.schema import FeatureSchema
    from ranker.slate import Constraint, Floats, RankRequest
    from ranker.snapshot import Snapshot
    from ranker.solver import Solution
    from ranker.stages import StageTimer

# A limit counts as met within this share of its own size: the solver's feasibility is 1e-9 of scale.
MET_TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What the pipeline decides for requests that do not say."""

    # Share of requests answered with a uniformly random slate, so that the log can judge other policies.
    exploration_ratio: float = 0.02
    # Secret of the draws: who knows it and the request id can foretell a slate.
    draw_key: bytes = b"adranker"
    solver: SolverSettings = field(default_factory=SolverSettings)
    # The experiment whose draws are taken, "" being none; None: that of the request's arm.
    experiment: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.exploration_ratio < 1.0:
            raise InvalidInputError("exploration_ratio", self.exploration_ratio, "must lie in [0, 1)")


@dataclass(frozen=True, slots=True)
class _Scores:
    ctr: Floats  # (n,)
    value: Floats  # (n,)
    attention: Floats  # (k,)
    model_version: str
    attention_version: str  # "": the request brought its own
    experiment: str = ""  # "": in none
    arm: str = ""


@dataclass(frozen=True, slots=True)
class _Policy:
    """What was answered: the mixture that is served for a question."""

    question: Question
    solution: Solution
    mixture: ExploredMixture
    solver_rounds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Served:
    """What came out of the policy for this request."""

    slate: NDArray[np.int64]  # (k,)
    creatives: _Creatives
    context: dict[str, int]
    stage_seconds: dict[str, float]
    degradation: str = ""


@dataclass(frozen=True, slots=True)
class _Creatives:
    """One composition a position, all of one posterior version."""

    by_position: tuple[Creative | None, ...]  # (k,)
    posterior_version: str


def request_rng(draw_key: bytes, request_id: str, experiment: str = "") -> np.random.Generator:
    """Returns the request's own random stream: the same id and key draw the same slate, on any replica.

    Each experiment has streams of its own, independent of all others.
    """
    salt = hashlib.blake2b(experiment.encode(), digest_size=16).digest() if experiment else b""
    digest = hashlib.blake2b(request_id.encode(), key=draw_key, salt=salt, digest_size=16).digest()
    # The digest as one big-endian number, in the words of 32 bits that the seed is made of, lowest first.
    words = np.frombuffer(digest[::-1], dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def _rng(request: RankRequest, scores: _Scores, settings: PipelineSettings) -> np.random.Generator:
    experiment = scores.experiment if settings.experiment is None else settings.experiment
    return request_rng(settings.draw_key, request.request_id, experiment)


def rank(
    request: RankRequest,
    snapshot: Snapshot,
    settings: PipelineSettings,
    timer: StageTimer,
    plan: Plan = FULL,
) -> Decision:
    """Answers one request from one snapshot as planned; pure but for the clocks.

    Raises:
      InvalidInputError: features or context do not fit the schema.
      NotFoundError: unknown schema, model or creative space.
      StateError: creatives are asked for and none are served.
    """
    context = _checked_context(request, snapshot)
    scores = _score(request, snapshot, context, plan.ctr)
    timer.lap("score")
    question = _question(request, scores, settings)
    solution, solver_rounds = solved_by_plan(question, settings.solver, plan)
    policy = _answer(question, solution, solver_rounds)
    timer.lap("solve")
    rng = _rng(request, scores, settings)
    slate = policy.mixture.draw(rng)
    timer.lap("draw")
    creatives = _creatives(request, snapshot, slate, context, rng)
    timer.lap("creatives")
    served = _Served(slate, creatives, context, dict(timer.seconds), plan.step)
    return _decision(request, scores, policy, served)


def rank_many(
    requests: Sequence[RankRequest],
    snapshot: Snapshot,
    settings: PipelineSettings,
    *,
    num_threads: int | None = None,
) -> list[Decision | RankerError]:
    """Answers many requests as `rank` does, to the last bit; what it would raise stands in their place.

    Requests of one shape are solved together, without Python in between; stages are not timed.
    """
    answers: dict[int, Decision | RankerError] = {}
    asked: dict[int, tuple[dict[str, int], _Scores, Question]] = {}
    for i, request in enumerate(requests):
        try:
            context = _checked_context(request, snapshot)
            scores = _score(request, snapshot, context)
        except RankerError as error:
            answers[i] = error
            continue
        asked[i] = (context, scores, _question(request, scores, settings))
    solutions = solved_together({i: each[2] for i, each in asked.items()}, settings.solver, num_threads)
    for i, (context, scores, question) in asked.items():
        solution = solutions[i]
        if isinstance(solution, InvalidInputError):
            answers[i] = solution
            continue
        request, policy = requests[i], _answer(question, solution)
        rng = _rng(request, scores, settings)
        slate = policy.mixture.draw(rng)
        creatives = _creatives(request, snapshot, slate, context, rng)
        answers[i] = _decision(request, scores, policy, _Served(slate, creatives, context, {}))
    return [answers[i] for i in range(len(requests))]


def _checked_context(request: RankRequest, snapshot: Snapshot) -> dict[str, int]:
    context = _context_by_name(request, snapshot.schema(request.schema_id))
    _check_creatives(request, snapshot, context)
    return context


def _context_by_name(request: RankRequest, schema: FeatureSchema) -> dict[str, int]:
    names, ids = schema.context_categorical, request.context.categorical
    if len(ids) != len(names):
        raise InvalidInputError(
            "context.categorical.length", len(ids), f"schema {schema.schema_id} has {len(names)}: {names}"
        )
    for name, value, size in zip(names, ids.tolist(), schema.num_ids.tolist(), strict=False):
        if not 0 <= value < size:
            raise InvalidInputError(f"context[{name}]", value, f"must lie in 0 … {size - 1}")
    return dict(zip(names, ids.tolist(), strict=True))


def _check_creatives(request: RankRequest, snapshot: Snapshot, context: dict[str, int]) -> None:
    """Refuses what a creative would be refused for, whether its ad is drawn or not.

    Else the log would hold only those draws that happened not to show the ad.
    """
    spaces = {space_id for space_id in request.candidates.creative_space_ids if space_id}
    if spaces:
        selector = snapshot.creative_selector()
        for space_id in sorted(spaces):
            selector.check(space_id, context)


def _score(
    request: RankRequest, snapshot: Snapshot, context: dict[str, int], known_ctr: Floats | None = None
) -> _Scores:
    candidates, features = request.candidates, request.context
    assigned = Assignment("")
    if known_ctr is not None:
        ctr, version = known_ctr, ""
    elif candidates.ctr is not None:
        ctr, version = candidates.ctr, ""
    else:
        if not request.model_version:
            assigned = snapshot.assignment(request.schema_id, request.unit_id or request.request_id)
        scorer = snapshot.scorer(request.schema_id, request.model_version or assigned.version)
        ctr = scorer.score(features.numeric, features.categorical, candidates.numeric, candidates.categorical)
        version = scorer.version
    if request.attention is not None:
        attention, attention_version = request.attention, ""
    else:
        attention = snapshot.default_attention(request.num_positions, context)
        attention_version = snapshot.attention_version
    return _Scores(
        ctr,
        ctr * candidates.bids,
        attention,
        version,
        attention_version,
        assigned.experiment,
        assigned.arm,
    )


def _question(request: RankRequest, scores: _Scores, settings: PipelineSettings) -> Question:
    ratio = 0.0 if request.mode.no_exploration else settings.exploration_ratio
    return question_of(request, scores.value, scores.attention, ratio)


def _answer(question: Question, solution: Solution, solver_rounds: tuple[int, ...] = ()) -> _Policy:
    n, ratio = question.num_candidates, question.exploration_ratio
    mixture = ExploredMixture(solution.slates, solution.probabilities, n, ratio)
    return _Policy(question, solution, mixture, solver_rounds)


def _creatives(
    request: RankRequest,
    snapshot: Snapshot,
    slate: NDArray[np.int64],
    context: dict[str, int],
    rng: np.random.Generator,
) -> _Creatives:
    """Composes the shown ads under one coherent posterior draw."""
    spaces = request.candidates.creative_space_ids
    if not any(spaces):
        return _Creatives((None,) * len(slate), "")
    selector = snapshot.creative_selector()
    draw = int(rng.integers(selector.num_draws))
    floors = rng.random(len(slate)).tolist()
    places = [j for j, i in enumerate(slate.tolist()) if spaces[i]]
    asked = [spaces[int(slate[j])] for j in places]
    chosen = selector.select_many(asked, context, draw, [floors[j] for j in places])
    by_position: list[Creative | None] = [None] * len(slate)
    for j, selection in zip(places, chosen, strict=True):
        by_position[j] = _creative(selection)
    return _Creatives(tuple(by_position), selector.version)


def _creative(chosen: Selection) -> Creative:
    return Creative(
        chosen.space_id,
        dict(chosen.elements),
        chosen.propensity,
        chosen.draw,
        chosen.floor,
        chosen.feasible_hash,
        chosen.pool_seed,
        chosen.exact,
    )


def _decision(request: RankRequest, scores: _Scores, policy: _Policy, served: _Served) -> Decision:
    solution, mixture = policy.solution, policy.mixture
    propensity, marginals = mixture.propensities(served.slate)
    return Decision(
        decision_id=request.request_id,
        request_hash=request.content_hash,
        created_at=time.time(),
        schema_id=request.schema_id,
        model_version=scores.model_version,
        posterior_version=served.creatives.posterior_version,
        context=served.context,
        candidate_ids=request.candidates.ids,
        ctr=tuple(scores.ctr.tolist()),
        slates=tuple(map(tuple, solution.slates.tolist())),
        probabilities=tuple(solution.probabilities.tolist()),
        exploration_ratio=mixture.ratio,
        slate_propensity=propensity,
        shown=_shown(request, scores, marginals, served),
        constraints=_constraint_reports(request.constraints, policy),
        solver_status=solution.status.name.lower(),
        solver_steps=solution.num_steps,
        expected_objective=solution.objective,
        objective_bound=solution.upper_bound,
        default_reward=not request.mode.no_default_reward,
        attention_version=scores.attention_version,
        stage_seconds=served.stage_seconds,
        experiment=scores.experiment,
        arm=scores.arm,
        degradation=served.degradation,
        solver_rounds=policy.solver_rounds,
    )


def _shown(request: RankRequest, scores: _Scores, marginals: Floats, served: _Served) -> tuple[ShownAd, ...]:
    slate = served.slate
    columns = zip(
        slate.tolist(),
        scores.ctr[slate].tolist(),
        scores.value[slate].tolist(),
        scores.attention.tolist(),
        marginals.tolist(),
        served.creatives.by_position,
        strict=True,
    )
    ids = request.candidates.ids
    return tuple([ShownAd(ids[i], *column) for i, *column in columns])


def _constraint_reports(constraints: tuple[Constraint, ...], policy: _Policy) -> tuple[ConstraintReport, ...]:
    """Reports on the served policy, exploration included."""
    ratio, solution = policy.mixture.ratio, policy.solution
    # Numbers, not arrays: for a handful of constraints they are faster, and the sums are the same.
    columns = zip(
        constraints,
        signs_of(constraints),
        policy.question.limits.tolist(),
        solution.use.tolist(),
        policy.question.uniform_use.tolist(),
        solution.dual.tolist(),
        strict=True,
    )
    reports = []
    for constraint, sign, limit, mixture_use, uniform, dual in columns:
        use = (1.0 - ratio) * mixture_use + ratio * uniform
        slack = limit - use
        met = slack >= -MET_TOLERANCE * max(1.0, abs(limit))
        reports.append(
            ConstraintReport(constraint.name, constraint.relation, sign * limit, sign * use, slack, dual, met)
        )
    return tuple(reports)
