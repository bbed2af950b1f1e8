"""What a request gives up, by the time that is left and what it accepts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ranker.degradation import FULL, Step
from ranker.errors import OverloadedError
from ranker.rolling_bound import WINDOW
from ranker.scoring.ladder import Ladder, Rung
from ranker.slate import Candidates, Context, Degradation, Mode, RankRequest
from ranker.snapshot import Snapshot
from ranker.step_choice import StepChoice

SNAPSHOT = Snapshot({}, {})
LADDER = Ladder("s", (Rung("best", 0.4, (10,), (1.0,)), Rung("fast", 0.5, (10,), (0.1,))))


def request(degradation: Degradation) -> RankRequest:
    columns = Candidates(("a", "b"), np.ones(2), np.zeros((2, 1), np.float32), np.zeros((2, 0), np.int64))
    return RankRequest("r", "s", Context(), columns, 1, mode=Mode(degradation=degradation))


def taught(score: float = 1.0, solve: float = 1.0, rest: float = 1.0) -> StepChoice:
    """Returns a choice that has seen one answer."""
    steps = StepChoice()
    answer = SimpleNamespace(degradation="", solver_rounds=(), candidate_ids=("a",), ctr=(0.25,))
    steps.learn(request(Degradation.ANY), answer, {"score": score, "solve": solve})
    steps.answered(2, rest)
    return steps


def plan(steps, degradation, left, snapshot=SNAPSHOT, model=None):
    asked = request(degradation)
    pinned = asked if model is None else replace(asked, model_version=model)
    return steps.plan(asked, pinned, snapshot, lambda: left)


@pytest.mark.parametrize(
    ("left", "step"), [(3.0, Step.NOTHING), (1.5, Step.LAST_SCORES), (0.5, Step.UNCONSTRAINED)]
)
def test_who_accepts_anything_gives_up_as_little_as_there_is_time_for(left, step):
    chosen = plan(taught(), Degradation.ANY, left)
    assert chosen.step is step
    if step is not Step.NOTHING:
        assert chosen.ctr.tolist() == [0.25, 0.25]  # b has no score of its own: the mean


def test_by_default_no_score_is_given_up_and_the_search_ends_in_time():
    chosen = plan(taught(), Degradation.SMALLER_MODEL, 0.5)
    assert (chosen.step, chosen.ctr) == (Step.NOTHING, None)
    assert chosen.seconds_left() == pytest.approx(0.5 - 1.0)


def test_where_nothing_is_known_the_model_is_asked():
    steps = StepChoice()
    steps.answered(2, 1.0)
    assert plan(steps, Degradation.ANY, 0.5).step is Step.NOTHING


def test_own_scores_are_the_ones_that_are_known():
    asked = request(Degradation.ANY)
    asked = replace(asked, candidates=replace(asked.candidates, ctr=np.array([0.5, 0.1])))
    steps = StepChoice()
    steps.answered(2, 1.0)
    chosen = steps.plan(asked, asked, SNAPSHOT, lambda: 0.5)
    assert (chosen.step, chosen.ctr.tolist()) == (Step.UNCONSTRAINED, [0.5, 0.1])


def test_who_accepts_nothing_less_is_refused_at_once_with_a_hint():
    steps = taught()
    assert plan(steps, Degradation.NONE, 3.5) is FULL
    with pytest.raises(OverloadedError, match=r"'none'.*than the 2500 ms left") as refused:
        plan(steps, Degradation.NONE, 2.5)
    assert refused.value.retry_seconds == pytest.approx(3.0)


def test_a_smaller_model_is_a_step_and_refused_where_it_is_not_accepted():
    snapshot = Snapshot({}, {}, ladders={"s": LADDER})
    for degradation in (Degradation.SMALLER_MODEL, Degradation.ANY):
        assert plan(taught(), degradation, 9.0, snapshot, "fast").step is Step.SMALLER_MODEL
        assert plan(taught(), degradation, 9.0, snapshot, "best").step is Step.NOTHING
    assert plan(taught(), Degradation.NONE, 9.0, snapshot, "best") is FULL
    with pytest.raises(OverloadedError):
        plan(taught(), Degradation.NONE, 9.0, snapshot, "fast")


@pytest.mark.parametrize("degradation", Degradation)
def test_who_waits_for_ever_gets_the_full_answer(degradation):
    chosen = plan(taught(), degradation, None)
    assert (chosen.step, chosen.ctr, chosen.seconds_left) == (Step.NOTHING, None, None)


@pytest.mark.parametrize("degradation", [Degradation.ANY, Degradation.NONE])
def test_a_stall_is_forgotten_though_nobody_tries(degradation):
    steps = taught(score=60.0, rest=0.1)

    def is_full() -> bool:
        try:
            return plan(steps, degradation, 3.0).step is Step.NOTHING
        except OverloadedError:
            return False

    tries = [is_full() for _ in range(2 * WINDOW)]
    assert not any(tries[: WINDOW // 2])
    assert all(tries[WINDOW + 10 :])
