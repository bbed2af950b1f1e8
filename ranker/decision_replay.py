"""Recomputes a kept decision from its versions, seed and captured request, and says where it differs."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.degradation import Plan, Step
from ranker.errors import NotFoundError, StateError
from ranker.events.codec import decode, encode
from ranker.pipeline import rank
from ranker.stages import StageTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ranker.events.store import EventStore
    from ranker.pipeline import PipelineSettings
    from ranker.slate import Decision, RankRequest
    from ranker.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that was not recomputed as it was logged. Values are written with every digit."""

    field: str
    logged: str
    recomputed: str


@dataclass(frozen=True, slots=True)
class ReplayedDecision:
    """A kept decision beside what this code answers now. Clocks are not compared."""

    logged: Decision
    recomputed: Decision
    request: RankRequest  # with the attention that the decision was made for
    snapshot: Snapshot  # of the decision's versions
    settings: PipelineSettings  # those of the decision
    differences: tuple[Difference, ...]


class DecisionReplay:
    """Replays decisions of a store; `snapshot_of` loads the versions that a decision names."""

    def __init__(
        self, store: EventStore, snapshot_of: Callable[[Decision], Snapshot], settings: PipelineSettings
    ) -> None:
        self._store = store
        self._snapshot_of = snapshot_of
        self._settings = settings

    def replay(self, decision_id: str) -> ReplayedDecision:
        """Recomputes one decision.

        The attention curve is the one in the decision, which holds it whole, and so are scores that did not
        come from a model.

        Raises:
          NotFoundError: no such decision is stored, or a version of it is no longer kept.
          StateError: its request was not captured.
        """
        logged, request = self._kept(decision_id)
        attention = np.array([ad.attention for ad in logged.shown])
        request = replace(request, attention=attention)
        snapshot = self._snapshot_of(logged)
        settings = replace(self._settings, exploration_ratio=logged.exploration_ratio)
        answer = replace(
            rank(request, snapshot, settings, StageTimer(), plan_of(logged)),
            created_at=logged.created_at,
            stage_seconds=logged.stage_seconds,
            attention_version=logged.attention_version,
        )
        recomputed = decode(encode(answer))  # numbers as the log holds them
        found = tuple(_differences("decision", logged, recomputed))
        return ReplayedDecision(logged, recomputed, request, snapshot, settings, found)

    def _kept(self, decision_id: str) -> tuple[Decision, RankRequest]:
        logged = self._store.find_decision(decision_id)
        if logged is None:
            raise NotFoundError("decision_id", decision_id, "no such decision is stored")
        request = self._store.find_request(decision_id)
        if request is None:
            raise StateError(
                "decision_id", decision_id, "its request was not captured: see the setting capture_ratio"
            )
        return logged, request


def plan_of(logged: Decision) -> Plan:
    """Returns how the decision was made, without its clock."""
    step = Step(logged.degradation)
    known = step in (Step.LAST_SCORES, Step.UNCONSTRAINED)
    return Plan(step, np.array(logged.ctr) if known else None, None, logged.solver_rounds)


def _differences(name: str, logged: object, recomputed: object) -> Iterator[Difference]:
    """Compares to the last bit: the repr of a float is its shortest exact one, and tells −0.0 from 0.0."""
    old, new = (dict(_parts(each)) for each in (logged, recomputed))
    if not old and not new:
        if repr(logged) != repr(recomputed):
            yield Difference(name, repr(logged), repr(recomputed))
        return
    for key in old | new:
        if key in old and key in new:
            yield from _differences(f"{name}{key}", old[key], new[key])
        else:
            yield Difference(f"{name}{key}", repr(old.get(key, "absent")), repr(new.get(key, "absent")))


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"[{key}]", each) for key, each in value.items())
    elif isinstance(value, tuple | list):
        yield from ((f"[{i}]", each) for i, each in enumerate(value))
    elif is_dataclass(value):
        yield from ((f".{field.name}", getattr(value, field.name)) for field in fields(value))
