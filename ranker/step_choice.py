"""What a request gives up: as little as its deadline allows, and no more than it accepts."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from ranker.degradation import FULL, Plan, Step
from ranker.errors import OverloadedError
from ranker.last_scores import LastScores
from ranker.rolling_bound import RollingBound
from ranker.slate import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ranker.slate import Decision, Floats, RankRequest
    from ranker.snapshot import Snapshot

    # Until the caller's deadline; None: it waits for ever.
    SecondsLeft = Callable[[], float | None]


class StepChoice:
    """Chooses by the seconds that recent requests of about the same size took; threads share it."""

    def __init__(self) -> None:
        self.last_scores = LastScores()
        self._lock = threading.Lock()
        self._bounds: dict[tuple[object, ...], RollingBound] = defaultdict(lambda: RollingBound([]))

    def plan(
        self, request: RankRequest, pinned: RankRequest, snapshot: Snapshot, seconds_left: SecondsLeft
    ) -> Plan:
        """Returns how to answer a request; `pinned` is the same with the model that a ladder chose for it.

        Raises OverloadedError where only an answer that the caller does not accept would be in time.
        """
        smaller = pinned is not request and pinned.model_version != _best(snapshot, request)
        left = seconds_left()
        if request.mode.degradation is Degradation.NONE:
            if left is not None:
                self._check_full(pinned, smaller, left)
            return FULL
        step = Step.SMALLER_MODEL if smaller else Step.NOTHING
        if left is None:
            return Plan(step)
        rest = self._bound(_rest_key(len(request.candidates.ids)))
        plan = Plan(step, seconds_left=lambda: (seconds_left() or 0.0) - rest)
        if request.mode.degradation is Degradation.ANY:
            return self._with_less(pinned, plan, left - rest)
        return plan

    def learn(self, pinned: RankRequest, decision: Decision, seconds: Mapping[str, float]) -> None:
        """Learns what the stages of an answer took, and its scores."""
        if decision.degradation not in (Step.NOTHING, Step.SMALLER_MODEL):
            return
        self._add(_score_key(pinned), seconds["score"])
        if not decision.solver_rounds:
            self._add(_solve_key(pinned), seconds["solve"])
        if pinned.candidates.ctr is None:
            self.last_scores.learn(pinned.schema_id, decision.candidate_ids, decision.ctr)

    def answered(self, num_candidates: int, seconds: float) -> None:
        """Learns what an answer took beside scoring and solving, until it had left."""
        self._add(_rest_key(num_candidates), seconds)

    def _with_less(self, pinned: RankRequest, plan: Plan, spare: float) -> Plan:
        """Returns the plan for a request that accepts anything, with so many seconds to score and solve."""
        if spare > 0.0 and spare >= self._bound(_score_key(pinned)):
            return plan
        ctr = self._known_ctr(pinned)
        if ctr is None:  # nothing to fall back on: the model is asked
            return plan
        # What is not done is not timed: it is tried again once its window is full of these.
        self._add(_score_key(pinned), max(spare, 0.0))
        step = Step.LAST_SCORES if spare > 0.0 else Step.UNCONSTRAINED
        return Plan(step, ctr, plan.seconds_left)

    def _check_full(self, pinned: RankRequest, smaller: bool, left: float) -> None:
        rest = self._bound(_rest_key(len(pinned.candidates.ids)))
        think, spare = self._bound(_score_key(pinned)) + self._bound(_solve_key(pinned)), left - rest
        if not smaller and think <= spare:
            return
        for key in (_score_key(pinned), _solve_key(pinned)):  # as above
            self._add(key, max(spare / 2, 0.0))
        raise OverloadedError(
            "mode.degradation",
            Degradation.NONE.value,
            f"the full answer takes longer than the {1000 * left:.0f} ms left: retry later, or accept less",
            retry_seconds=think + rest,
        )

    def _known_ctr(self, pinned: RankRequest) -> Floats | None:
        if pinned.candidates.ctr is not None:
            return pinned.candidates.ctr
        return self.last_scores.ctr(pinned.schema_id, pinned.candidates.ids)

    def _bound(self, key: tuple[object, ...]) -> float:
        with self._lock:
            return self._bounds[key].bound

    def _add(self, key: tuple[object, ...], seconds: float) -> None:
        with self._lock:
            self._bounds[key].add(seconds)


def _best(snapshot: Snapshot, request: RankRequest) -> str:
    return snapshot.ladders[request.schema_id].rungs[0].model_version


def _score_key(pinned: RankRequest) -> tuple[object, ...]:
    return "score", pinned.schema_id, pinned.model_version, len(pinned.candidates.ids).bit_length()


def _solve_key(request: RankRequest) -> tuple[object, ...]:
    return "solve", len(request.candidates.ids).bit_length(), len(request.constraints).bit_length()


def _rest_key(num_candidates: int) -> tuple[object, ...]:
    return "rest", num_candidates.bit_length()
