"""Reruns a chunk of captured requests under every policy, and keeps what the judgement needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ranker.rerun.alike import groups, mixtures
from ranker.rerun.answering import Answering, steps_of
from ranker.rerun.captured_log import Flaw, Flaws
from ranker.rerun.differences import CAUSES, changed_creatives, moves
from ranker.rerun.rows import logged_rows, target_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ranker.rerun.alike import Alike, Mixtures
    from ranker.rerun.captured_log import Captured
    from ranker.rerun.differences import Asked, Moves, Steps
    from ranker.rerun.policy_file import RerunPolicy
    from ranker.slate import Decision
    from ranker.snapshot import Snapshot

    Floats: TypeAlias = NDArray[np.float64]


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
    totals = {policy.name: Totals() for policy in bench.policies}
    answering = Answering(captures, bench.draw_key)
    by_policy = {
        policy.name: steps_of(answering, policy, snapshot, flaws)
        for policy, snapshot in zip(bench.policies, bench.snapshots, strict=True)
    }
    answered = {i: c for i, c in enumerate(captures) if all(i in steps for steps in by_policy.values())}
    found = []
    for alike in groups(answered):
        judged = np.isfinite(alike.rewards.sum(axis=1))
        for b in np.flatnonzero(~judged).tolist():
            flaws.add(Flaw.REWARD_PENDING, alike.captures[b].request.request_id)
        rows = logged_rows(alike, first, judged)
        tables: dict[tuple[int, ...], tuple[Mixtures, Floats]] = {}
        for name, steps in by_policy.items():
            mine = [steps[place] for place in alike.places]
            changed = _add(totals[name], alike, mine, tables)
            rows |= target_rows(name, alike, *changed, judged)
        if judged.any():
            found.append(rows)
    return Chunk(_by_request(found), totals, flaws)


def _by_request(groups: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Joins the rows of groups in the order of the log."""
    if not groups:
        return {}
    columns = {name: np.concatenate([rows[name] for rows in groups]) for name in groups[0]}
    order = np.argsort(columns["request"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _add(
    totals: Totals,
    alike: Alike,
    answers: Sequence[tuple[Steps, Asked]],
    tables: dict[tuple[int, ...], tuple[Mixtures, Floats]],
) -> tuple[Mixtures, Floats]:
    """Adds up what moved; returns the policy's mixtures and marginals. `tables` keeps those of all steps."""
    steps, asked = [each[0] for each in answers], [each[1] for each in answers]
    same, explored, rescored, changed = (
        _tabled([getattr(each, name) for each in steps], tables)
        for name in ("same", "explored", "rescored", "changed")
    )
    logged = _tabled_once((), alike.logged, tables)
    found = moves(alike, [each[1] for each in (logged, same, explored, rescored, changed)], steps, asked)
    totals.reruns += len(steps)
    totals.unmoved += int((~found.attention.any(axis=(0, 2))).sum())
    for captured, step in zip(alike.captures, steps, strict=True):
        totals.objective += step.changed.expected_objective
        totals.logged_objective += captured.objective
        totals.creatives += changed_creatives(captured, step.changed)
        _add_duals(totals.duals, {c.name: c.dual for c in step.changed.constraints})
        _add_duals(totals.logged_duals, captured.duals)
    _add_moves(totals, alike, found)
    return changed


def _tabled(
    decisions: list[Decision], tables: dict[tuple[int, ...], tuple[Mixtures, Floats]]
) -> tuple[Mixtures, Floats]:
    key = tuple(map(id, decisions))  # steps, and policies, share answers
    return tables[key] if key in tables else _tabled_once(key, mixtures(decisions), tables)


def _tabled_once(
    key: tuple[int, ...], served: Mixtures, tables: dict[tuple[int, ...], tuple[Mixtures, Floats]]
) -> tuple[Mixtures, Floats]:
    if key not in tables:
        tables[key] = served, served.marginals
    return tables[key]


def _add_moves(totals: Totals, alike: Alike, found: Moves) -> None:
    moved = np.nonzero(found.attention)
    ids = [each.request.candidates.ids for each in alike.captures]
    for b, i, cause, attention in zip(
        moved[1].tolist(), moved[2].tolist(), found.causes[moved].tolist(), found.attention[moved].tolist(),
        strict=True,
    ):  # fmt: skip
        entry = totals.causes.setdefault(CAUSES[cause].value, [0.0, 0.0])
        entry[0] += 1
        entry[1] += abs(attention)
        by_cause = totals.candidates.setdefault(ids[b][i], {})
        by_cause[CAUSES[cause].value] = by_cause.get(CAUSES[cause].value, 0.0) + attention


def _add_duals(sums: dict[str, list[float]], duals: dict[str, float]) -> None:
    for name, dual in duals.items():
        entry = sums.setdefault(name, [0.0, 0.0])
        entry[0] += 1
        entry[1] += dual
