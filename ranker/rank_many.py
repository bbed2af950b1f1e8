"""Many requests at once: those of one shape as arrays, answered as `ranker.pipeline.rank` answers each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ranker.errors import InvalidInputError, RankerError
from ranker.explored_mixtures import ExploredMixtures
from ranker.pipeline import (
    MET_TOLERANCE,
    Answer,
    Circumstances,
    Creatives,
    Scores,
    checked_context,
    creatives_of,
    decision_of,
    drawn_for,
    rank,
    scored,
)
from ranker.question import Questions, questions_of, signs_of
from ranker.request_streams import first_uniforms, request_rng
from ranker.slate import ConstraintReport, ShownAd
from ranker.solver import Status, solve_many
from ranker.stages import StageTimer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from ranker.pipeline import PipelineSettings
    from ranker.slate import Decision, RankRequest
    from ranker.snapshot import Snapshot
    from ranker.solver.workspace import Answers

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]

STATUSES = [status.name.lower() for status in Status]


class _Asked(NamedTuple):
    request: RankRequest
    context: dict[str, int]
    scores: Scores


class _Served(NamedTuple):
    """What B requests of one shape were served, and from what."""

    slates: Indices  # (B, k)
    creatives: list[Creatives]  # (B,)
    mixtures: ExploredMixtures


def rank_many(
    requests: Sequence[RankRequest],
    snapshot: Snapshot,
    settings: PipelineSettings,
    *,
    num_threads: int | None = None,
) -> list[Decision | RankerError]:
    """Answers many requests as `rank` does, to the last bit; what it would raise stands in their place.

    Requests of one shape are answered together, with little Python in between; stages are not timed.
    """
    answers: dict[int, Decision | RankerError] = {}
    groups: dict[tuple[int, int, int], dict[int, _Asked]] = defaultdict(dict)
    for i, request in enumerate(requests):
        if request.rules is not None or any(c.position_weights for c in request.constraints):
            answers[i] = _alone(request, snapshot, settings)
            continue
        try:
            context = checked_context(request, snapshot)
            asked = _Asked(request, context, scored(request, snapshot, context))
        except RankerError as error:
            answers[i] = error
            continue
        shape = len(request.candidates.ids), request.num_positions, len(request.constraints)
        groups[shape][i] = asked
    for group in groups.values():
        answers.update(
            zip(group, _together(list(group.values()), snapshot, settings, num_threads), strict=True)
        )
    return [answers[i] for i in range(len(requests))]


def _alone(request: RankRequest, snapshot: Snapshot, settings: PipelineSettings) -> Decision | RankerError:
    try:
        return replace(rank(request, snapshot, settings, StageTimer()), stage_seconds={})
    except RankerError as error:
        return error


def _together(
    group: list[_Asked], snapshot: Snapshot, settings: PipelineSettings, num_threads: int | None
) -> Sequence[Decision | RankerError]:
    requests = [each.request for each in group]
    value, attention, ctr = (
        np.stack([getattr(each.scores, name) for each in group]) for name in ("value", "attention", "ctr")
    )
    ratios = np.array([0.0 if r.mode.no_exploration else settings.exploration_ratio for r in requests])
    try:
        questions = questions_of(requests, value, attention, ratios)
        found = solve_many(questions.batch, settings.solver, num_threads=num_threads).answers
    except InvalidInputError:  # one that the solver refuses fails alone
        return [_alone(each, snapshot, settings) for each in requests]
    mixtures = ExploredMixtures(found.slates, found.probabilities, found.num_slates, value.shape[1], ratios)
    served = _served(group, mixtures, snapshot, settings)
    shown = _shown(group, served, (ctr, value, attention))
    answers = _answers(served, found, shown, _reports(requests, questions, found, ratios))
    return [
        decision_of(
            each.request,
            each.scores,
            answer,
            Circumstances(each.context, creatives.posterior_version, {}),
        )
        for each, answer, creatives in zip(group, answers, served.creatives, strict=True)
    ]


def _served(
    group: Sequence[_Asked], mixtures: ExploredMixtures, snapshot: Snapshot, settings: PipelineSettings
) -> _Served:
    experiments = [drawn_for(each.scores, settings) for each in group]
    ids = [each.request.request_id for each in group]
    uniforms = first_uniforms(settings.draw_key, ids, experiments)
    slates = mixtures.draw(uniforms[:, 1])
    n, k = mixtures.num_candidates, slates.shape[1]
    explores = uniforms[:, 0] < mixtures.ratios
    composed = np.array([any(each.request.candidates.creative_space_ids) for each in group])
    creatives = [Creatives((None,) * k, "")] * len(group)
    for b in np.flatnonzero(explores | composed).tolist():  # the others need no more of their streams
        request, context, _ = group[b]
        rng = request_rng(settings.draw_key, ids[b], experiments[b])
        rng.random(2)
        if explores[b]:
            slates[b] = rng.permutation(n)[:k]
        if composed[b]:
            creatives[b] = creatives_of(request, snapshot, slates[b], context, rng)
    return _Served(slates, creatives, mixtures)


def _shown(
    group: Sequence[_Asked], served: _Served, scores: tuple[Floats, Floats, Floats]
) -> tuple[Floats, list[tuple[ShownAd, ...]]]:
    """Returns the propensities of the slates `(B,)`, and their ads."""
    ctr, value, attention = scores
    propensities, marginals = served.mixtures.propensities(served.slates)
    numbers = (
        np.take_along_axis(ctr, served.slates, axis=1),
        np.take_along_axis(value, served.slates, axis=1),
        attention,
        marginals,
    )
    rows = zip(
        group, served.slates.tolist(), *[each.tolist() for each in numbers], served.creatives, strict=True
    )
    shown = []
    for asked, slate, *columns, creatives in rows:
        ids = asked.request.candidates.ids
        of_positions = zip([ids[i] for i in slate], *columns, creatives.by_position, strict=True)
        shown.append(tuple([ShownAd(*each) for each in of_positions]))
    return propensities, shown


def _reports(
    requests: Sequence[RankRequest], questions: Questions, found: Answers, ratios: Floats
) -> Iterable[tuple[ConstraintReport, ...]]:
    """Gives the reports on the served policies, exploration included."""
    ratio = ratios[:, None]
    use = (1.0 - ratio) * found.use + ratio * questions.uniform_use
    slack = questions.limits - use
    met = slack >= -MET_TOLERANCE * np.maximum(1.0, np.abs(questions.limits))
    signs = np.array([signs_of(request.constraints) for request in requests]).reshape(use.shape)
    numbers = [each.tolist() for each in (signs * questions.limits, signs * use, slack, found.dual, met)]
    for request, *columns in zip(requests, *numbers, strict=True):
        rows = zip(request.constraints, *columns, strict=True)
        yield tuple([ConstraintReport(c.name, c.relation, *row) for c, *row in rows])


def _answers(
    served: _Served,
    found: Answers,
    shown: tuple[Floats, list[tuple[ShownAd, ...]]],
    reports: Iterable[tuple[ConstraintReport, ...]],
) -> Iterable[Answer]:
    arrays: tuple[NDArray[Any], ...] = (
        found.num_slates, found.slates, found.probabilities, served.mixtures.ratios, shown[0],
        found.status, found.num_steps, found.objective, found.upper_bound,
    )  # fmt: skip
    for m, slates, probabilities, ratio, propensity, status, *numbers, ads, constraints in zip(
        *[each.tolist() for each in arrays], shown[1], reports, strict=True
    ):
        mixture = tuple(map(tuple, slates[:m])), tuple(probabilities[:m])
        yield Answer(*mixture, ratio, propensity, ads, constraints, STATUSES[status], *numbers)
