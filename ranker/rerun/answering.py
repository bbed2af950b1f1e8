"""The four steps of a rerun, each through the pipeline; what several policies ask is answered once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import RankerError
from ranker.pipeline import PipelineSettings
from ranker.rank_many import rank_many
from ranker.rerun.captured_log import Flaw
from ranker.rerun.differences import Steps
from ranker.rerun.policy_file import with_limits, with_scores

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ranker.rerun.captured_log import Captured, Flaws
    from ranker.rerun.differences import Asked
    from ranker.rerun.policy_file import RerunPolicy
    from ranker.slate import Decision, RankRequest
    from ranker.snapshot import Snapshot

Answers: TypeAlias = "list[Decision | RankerError]"


@dataclass(slots=True, eq=False)
class Answering:
    """Asks the pipeline about the captures of a chunk."""

    captures: Sequence[Captured]
    draw_key: bytes
    logged: list[RankRequest] = field(init=False)  # as they were scored
    found: dict[Hashable, Answers] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.logged = [as_scored(each) for each in self.captures]

    def logged_as(self, snapshot: Snapshot, ratio: float | None) -> Answers:
        """Answers the requests as they were scored; `ratio` explores, None: as much as was logged."""
        key = id(snapshot), ratio
        if key not in self.found:
            self.found[key] = self.ask(self.logged, snapshot, ratio)
        return self.found[key]

    def ask(self, requests: Sequence[RankRequest], snapshot: Snapshot, ratio: float | None) -> Answers:
        """Answers one request for each capture."""
        drawn = [
            (each.exploration_ratio if ratio is None else ratio, each.experiment) for each in self.captures
        ]
        answers: dict[int, Decision | RankerError] = {}
        for rate, experiment in sorted(set(drawn)):
            members = [i for i, each in enumerate(drawn) if each == (rate, experiment)]
            settings = PipelineSettings(rate, self.draw_key, experiment=experiment)
            found = rank_many([requests[i] for i in members], snapshot, settings, num_threads=1)
            answers.update(zip(members, found, strict=True))
        return [answers[i] for i in range(len(requests))]


def as_scored(captured: Captured) -> RankRequest:
    """Returns the request with the scores and the attention that it was answered with."""
    request = captured.request
    brought = (request.candidates.ctr, captured.ctr), (request.attention, captured.attention)
    if all(mine is not None and np.array_equal(mine, theirs) for mine, theirs in brought):
        return request
    candidates = replace(request.candidates, ctr=captured.ctr)
    return replace(request, candidates=candidates, model_version="", attention=captured.attention)


def steps_of(
    answering: Answering, policy: RerunPolicy, snapshot: Snapshot, flaws: Flaws
) -> dict[int, tuple[Steps, Asked]]:
    """Returns the steps of every capture that the pipeline does not refuse, by its place."""
    captures, ratio = answering.captures, policy.exploration_ratio
    rescored = [with_scores(each.request, policy) for each in captures]
    changed = [with_limits(each, policy) for each in rescored]
    same = answering.logged_as(snapshot, None)
    explored = same if ratio is None else answering.logged_as(snapshot, ratio)
    scored = explored
    if policy.attention is not None or any(each.request.candidates.ctr is None for each in captures):
        scored = answering.ask(rescored, snapshot, ratio)  # else the scores came with the requests
    limited = answering.ask(changed, snapshot, ratio) if policy.changes_limits else scored
    found = {}
    for i, captured in enumerate(captures):
        steps = same[i], explored[i], scored[i], limited[i]
        refused = next((each for each in steps if isinstance(each, RankerError)), None)
        if refused is not None:
            flaws.add(Flaw.REFUSED, captured.request.request_id, f"{policy.name}: {refused}")
        else:
            found[i] = (Steps(*steps), (rescored[i], changed[i]))  # type: ignore[arg-type]  # no errors are left
    return found
