"""The way of one request: score → solve → draw → creatives → decision.

Creatives come after the slate is drawn: they do not change it, so the slate's propensity needs no integral
over posterior draws, and P(slate, creative) = P(slate)·P(creative) holds at every position.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ranker.degradation import FULL, solved_by_plan
from ranker.errors import InvalidInputError
from ranker.exploration import ExploredMixture
from ranker.question import Question, question_of, signs_of
from ranker.request_streams import request_rng
from ranker.rollout.plan import Assignment
from ranker.slate import ConstraintReport, Creative, Decision, ShownAd
from ranker.solver import Settings as SolverSettings

if TYPE_CHECKING:
    import numpy as np
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
class Scores:
    """What candidates and positions are worth, and who says so."""

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


class Answer(NamedTuple):
    """What was answered, as a decision says it."""

    slates: tuple[tuple[int, ...], ...]
    probabilities: tuple[float, ...]
    exploration_ratio: float
    slate_propensity: float
    shown: tuple[ShownAd, ...]
    constraints: tuple[ConstraintReport, ...]
    solver_status: str
    solver_steps: int
    expected_objective: float
    objective_bound: float


class Circumstances(NamedTuple):
    """How a request came to its answer."""

    context: dict[str, int]
    posterior_version: str
    stage_seconds: dict[str, float]
    degradation: str = ""
    solver_rounds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Creatives:
    """One composition a position, all of one posterior version."""

    by_position: tuple[Creative | None, ...]  # (k,)
    posterior_version: str


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
    context = checked_context(request, snapshot)
    scores = scored(request, snapshot, context, plan.ctr)
    timer.lap("score")
    question = _question(request, scores, settings)
    solution, solver_rounds = solved_by_plan(question, settings.solver, plan)
    mixture = ExploredMixture(
        solution.slates, solution.probabilities, question.num_candidates, question.exploration_ratio
    )
    timer.lap("solve")
    rng = request_rng(settings.draw_key, request.request_id, drawn_for(scores, settings))
    slate = mixture.draw(rng)
    timer.lap("draw")
    creatives = creatives_of(request, snapshot, slate, context, rng)
    timer.lap("creatives")
    answer = _answer(request, scores, _Policy(question, solution, mixture), slate, creatives.by_position)
    version, seconds = creatives.posterior_version, dict(timer.seconds)
    return decision_of(
        request, scores, answer, Circumstances(context, version, seconds, plan.step, solver_rounds)
    )


def checked_context(request: RankRequest, snapshot: Snapshot) -> dict[str, int]:
    """Returns the context by name; raises what `rank` does of contexts and creatives that do not fit."""
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


def scored(
    request: RankRequest, snapshot: Snapshot, context: dict[str, int], known_ctr: Floats | None = None
) -> Scores:
    """Returns the scores: `known_ctr`, the request's own, or those of the model that answers it."""
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
    return Scores(
        ctr,
        ctr * candidates.bids,
        attention,
        version,
        attention_version,
        assigned.experiment,
        assigned.arm,
    )


def _question(request: RankRequest, scores: Scores, settings: PipelineSettings) -> Question:
    ratio = 0.0 if request.mode.no_exploration else settings.exploration_ratio
    return question_of(request, scores.value, scores.attention, ratio)


def drawn_for(scores: Scores, settings: PipelineSettings) -> str:
    """Returns the experiment whose draws are taken."""
    return scores.experiment if settings.experiment is None else settings.experiment


def creatives_of(
    request: RankRequest,
    snapshot: Snapshot,
    slate: NDArray[np.int64],
    context: dict[str, int],
    rng: np.random.Generator,
) -> Creatives:
    """Composes the shown ads under one coherent posterior draw."""
    spaces = request.candidates.creative_space_ids
    if not any(spaces):
        return Creatives((None,) * len(slate), "")
    selector = snapshot.creative_selector()
    draw = int(rng.integers(selector.num_draws))
    floors = rng.random(len(slate)).tolist()
    places = [j for j, i in enumerate(slate.tolist()) if spaces[i]]
    asked = [spaces[int(slate[j])] for j in places]
    chosen = selector.select_many(asked, context, draw, [floors[j] for j in places])
    by_position: list[Creative | None] = [None] * len(slate)
    # Ads for which the selector gives the very same selection share a creative.
    composed = {id(selection): selection for selection in chosen}
    creatives = {key: _creative(selection) for key, selection in composed.items()}
    for j, selection in zip(places, chosen, strict=True):
        by_position[j] = creatives[id(selection)]
    return Creatives(tuple(by_position), selector.version)


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


def _answer(
    request: RankRequest,
    scores: Scores,
    policy: _Policy,
    slate: NDArray[np.int64],
    creatives: tuple[Creative | None, ...],
) -> Answer:
    solution, mixture = policy.solution, policy.mixture
    propensity, marginals = mixture.propensities(slate)
    columns = zip(
        slate.tolist(),
        scores.ctr[slate].tolist(),
        scores.value[slate].tolist(),
        scores.attention.tolist(),
        marginals.tolist(),
        creatives,
        strict=True,
    )
    ids = request.candidates.ids
    return Answer(
        tuple(map(tuple, solution.slates.tolist())),
        tuple(solution.probabilities.tolist()),
        mixture.ratio,
        propensity,
        tuple([ShownAd(ids[i], *column) for i, *column in columns]),
        _constraint_reports(request.constraints, policy),
        solution.status.name.lower(),
        solution.num_steps,
        solution.objective,
        solution.upper_bound,
    )


def decision_of(request: RankRequest, scores: Scores, answer: Answer, how: Circumstances) -> Decision:
    """Returns the decision: the answer beside what it was asked, scored and made with."""
    return Decision(
        decision_id=request.request_id,
        request_hash=request.content_hash,
        created_at=time.time(),
        schema_id=request.schema_id,
        model_version=scores.model_version,
        posterior_version=how.posterior_version,
        context=how.context,
        candidate_ids=request.candidates.ids,
        ctr=tuple(scores.ctr.tolist()),
        slates=answer.slates,
        probabilities=answer.probabilities,
        exploration_ratio=answer.exploration_ratio,
        slate_propensity=answer.slate_propensity,
        shown=answer.shown,
        constraints=answer.constraints,
        solver_status=answer.solver_status,
        solver_steps=answer.solver_steps,
        expected_objective=answer.expected_objective,
        objective_bound=answer.objective_bound,
        default_reward=not request.mode.no_default_reward,
        attention_version=scores.attention_version,
        stage_seconds=how.stage_seconds,
        experiment=scores.experiment,
        arm=scores.arm,
        degradation=how.degradation,
        solver_rounds=how.solver_rounds,
    )


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
