"""Reruns a chunk of captured requests under every policy, and keeps what the judgement needs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ranker.errors import RankerError
from ranker.pipeline import PipelineSettings, rank_many
from ranker.replay.marginals import cascade_propensities, worth_below
from ranker.rerun.captured_log import Flaw, Flaws
from ranker.rerun.differences import Steps, changed_creatives, marginals, moves
from ranker.rerun.policy_file import with_limits, with_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ranker.rerun.captured_log import Captured
    from ranker.rerun.policy_file import RerunPolicy
    from ranker.slate import Decision, RankRequest
    from ranker.snapshot import Snapshot

    Floats: TypeAlias = NDArray[np.float64]

# (request, what answers it) by place in the chunk
Answers: TypeAlias = "dict[int, tuple[RankRequest, Decision]]"


@dataclass(frozen=True, slots=True)
class Bench:
    """What a rerun runs on: policies with their snapshots, and the key of the draws."""

    policies: tuple[RerunPolicy, ...]
    snapshots: tuple[Snapshot, ...]
    draw_key: bytes


@dataclass(slots=True)
class Totals:
    """What one policy changed, added up."""

    reruns: int = 0
    unmoved: int = 0  # requests without any move
    objective: float = 0.0  # Σ expected objective
    logged_objective: float = 0.0
    creatives: int = 0  # ads in their places, in another composition
    causes: dict[str, list[float]] = field(default_factory=dict)  # cause → [moves, Σ |attention|]
    candidates: dict[str, dict[str, float]] = field(default_factory=dict)  # candidate → cause → Σ attention
    duals: dict[str, list[float]] = field(default_factory=dict)  # constraint → [requests, Σ dual]
    logged_duals: dict[str, list[float]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Chunk:
    """Rows of the judged positions as columns by name, and the totals of each policy by its name."""

    columns: dict[str, NDArray[Any]]
    totals: dict[str, Totals]
    flaws: Flaws


def rerun_chunk(captures: Sequence[Captured], first: int, bench: Bench) -> Chunk:
    """Reruns captures number `first`, `first` + 1, … ."""
    flaws = Flaws()
    columns: dict[str, list[float]] = defaultdict(list)
    totals = {policy.name: Totals() for policy in bench.policies}
    by_policy = [
        _steps(captures, policy, snapshot, bench.draw_key, flaws)
        for policy, snapshot in zip(bench.policies, bench.snapshots, strict=True)
    ]
    for i, captured in enumerate(captures):
        if not all(i in steps for steps in by_policy):
            continue
        for policy, steps in zip(bench.policies, by_policy, strict=True):
            _add(totals[policy.name], captured, *steps[i])
        if np.isnan(captured.rewards).any():
            flaws.add(Flaw.REWARD_PENDING, captured.request.request_id)
            continue
        _append_rows(columns, first + i, captured)
        for policy, steps in zip(bench.policies, by_policy, strict=True):
            _append_targets(columns, policy.name, captured, steps[i][0].changed)
    return Chunk({name: np.array(values) for name, values in columns.items()}, totals, flaws)


def as_scored(captured: Captured) -> RankRequest:
    """Returns the request with the scores and the attention that it was answered with."""
    candidates = replace(captured.request.candidates, ctr=captured.ctr)
    return replace(captured.request, candidates=candidates, model_version="", attention=captured.attention)


def _steps(
    captures: Sequence[Captured], policy: RerunPolicy, snapshot: Snapshot, draw_key: bytes, flaws: Flaws
) -> dict[int, tuple[Steps, tuple[RankRequest, RankRequest]]]:
    logged: dict[int, RankRequest] = {}
    rescored: dict[int, RankRequest] = {}
    changed: dict[int, RankRequest] = {}
    for i, captured in enumerate(captures):
        logged[i] = as_scored(captured)
        rescored[i] = with_scores(captured.request, policy)
        changed[i] = with_limits(rescored[i], policy)
    rates = {i: captured.exploration_ratio for i, captured in enumerate(captures)}
    same = _answered(logged, rates, snapshot, draw_key)
    explored: Mapping[int, Decision | RankerError] = same
    if policy.exploration_ratio is not None:
        rates = dict.fromkeys(rates, policy.exploration_ratio)
        explored = _answered(logged, rates, snapshot, draw_key)
    scored = explored
    if policy.attention is not None or any(c.request.candidates.ctr is None for c in captures):
        scored = _answered(rescored, rates, snapshot, draw_key)  # else the scores came with the requests
    limited = _answered(changed, rates, snapshot, draw_key) if policy.changes_limits else scored
    found = {}
    for i, captured in enumerate(captures):
        steps = (same[i], explored[i], scored[i], limited[i])
        refused = next((each for each in steps if isinstance(each, RankerError)), None)
        if refused is not None:
            flaws.add(Flaw.REFUSED, captured.request.request_id, f"{policy.name}: {refused}")
        else:
            found[i] = (Steps(*steps), (rescored[i], changed[i]))  # type: ignore[arg-type]  # no errors are left
    return found


def _answered(
    requests: dict[int, RankRequest],
    rates: dict[int, float],
    snapshot: Snapshot,
    draw_key: bytes,
) -> dict[int, Decision | RankerError]:
    answers: dict[int, Decision | RankerError] = {}
    for rate in sorted(set(rates.values())):
        members = [i for i in requests if rates[i] == rate]
        settings = PipelineSettings(exploration_ratio=rate, draw_key=draw_key)
        found = rank_many([requests[i] for i in members], snapshot, settings, num_threads=1)
        answers.update(zip(members, found, strict=True))
    return answers


def _add(totals: Totals, captured: Captured, steps: Steps, requests: tuple[RankRequest, RankRequest]) -> None:
    found = moves(captured, steps, requests)
    totals.reruns += 1
    totals.unmoved += not found
    totals.objective += steps.changed.expected_objective
    totals.logged_objective += captured.objective
    totals.creatives += changed_creatives(captured, steps.changed)
    for move in found:
        entry = totals.causes.setdefault(move.cause.value, [0.0, 0.0])
        entry[0] += 1
        entry[1] += abs(move.attention)
        by_cause = totals.candidates.setdefault(move.candidate_id, {})
        by_cause[move.cause.value] = by_cause.get(move.cause.value, 0.0) + move.attention
    _add_duals(totals.duals, {c.name: c.dual for c in steps.changed.constraints})
    _add_duals(totals.logged_duals, captured.duals)


def _add_duals(sums: dict[str, list[float]], duals: dict[str, float]) -> None:
    for name, dual in duals.items():
        entry = sums.setdefault(name, [0.0, 0.0])
        entry[0] += 1
        entry[1] += dual


def _append_rows(columns: dict[str, list[Any]], number: int, captured: Captured) -> None:
    bids = captured.request.candidates.bids
    k = len(captured.shown)
    columns["request"] += [number] * k
    columns["position"] += range(k)
    columns["candidate"] += [captured.request.candidates.ids[i] for i in captured.shown.tolist()]
    columns["segment"] += [_segment(captured.context)] * k
    columns["reward"] += captured.rewards.tolist()
    columns["bid"] += bids[captured.shown].tolist()
    columns["propensity"] += captured.propensities.tolist()
    columns["predicted"] += (captured.ctr[captured.shown] * captured.attention).tolist()


def _append_targets(columns: dict[str, list[Any]], name: str, captured: Captured, changed: Decision) -> None:
    """Appends what a policy would have done with the logged slate, and what the logged scores promise of it.

    By position: π(shown at j) and q̂(π, j) = Σᵢ π(i at j)·ctrᵢ·bidᵢ·aⱼ. By beginnings 0 … j: the weight, the
    whole slate's weight, and the baselines of Cascade-DR, the target's times the weight of what stands above.
    """
    table = marginals(changed)
    positions = np.arange(len(captured.shown))
    worth = np.outer(captured.ctr * captured.request.candidates.bids, captured.attention)
    columns[f"target:{name}"] += table[captured.shown, positions].tolist()
    columns[f"baseline:{name}"] += (worth * table).sum(axis=0).tolist()
    mixture = np.array(changed.slates), np.array(changed.probabilities)
    ratio = changed.exploration_ratio
    logged = cascade_propensities(
        (captured.slates, captured.probabilities), len(worth), captured.exploration_ratio, captured.shown
    )
    weights = cascade_propensities(mixture, len(worth), ratio, captured.shown) / logged
    below = worth_below(mixture, worth, ratio, captured.shown)
    above = np.concatenate(([1.0], weights[:-1]))
    columns[f"cascade:{name}"] += weights.tolist()
    columns[f"slate:{name}"] += [float(weights[-1])] * len(weights)
    columns[f"cascade_logged:{name}"] += (worth[captured.shown, positions] + below[1:]).tolist()
    columns[f"cascade_target:{name}"] += (above * below[:-1]).tolist()


def _segment(context: dict[str, int]) -> str:
    name = next(iter(context), None)
    return "all" if name is None else f"{name} {context[name]}"
