"""What is told of impressions whose click may still come, and what it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bandit.errors import CreativeError
from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome
from bandit.snapshot import load
from bandit.space import CreativeCatalogue, CreativeSpace, Slot
from ranker.creative_learning import CreativeRewards
from ranker.events.records import JoinedReward, OpenDecision
from ranker.pending_creatives import pending_creatives
from tests.contracts.event_store import make_decision

if TYPE_CHECKING:
    from pathlib import Path

    from ranker.slate import Decision

NOW = 1_100.0
CATALOGUE = CreativeCatalogue(
    (),
    (Slot("title", ("größer", "kleiner")), Slot("image", ("blue", "red"))),
    (CreativeSpace("space", ()),),
)


class Windows:
    """Clicks after 10, 20 and 60 seconds; the last of a decision that is 60 seconds old now."""

    def __init__(self, *opened: OpenDecision, stride: int = 1) -> None:
        self.opened, self.stride = list(opened), stride

    def open_decisions(self, limit: int) -> tuple[list[OpenDecision], int]:
        return self.opened[:limit], self.stride

    def reward_times(self, limit: int) -> list[tuple[float, float]]:
        return [(1_000.0, 1_010.0), (1_000.0, 1_020.0), (1_040.0, 1_100.0)][:limit]


def decision(age: float, num_positions: int = 3) -> Decision:
    return make_decision(f"d{age}", NOW - age, num_positions=num_positions)


def test_positions_with_a_creative_and_no_reward_are_pending_at_their_age() -> None:
    windows = Windows(OpenDecision(decision(30.0), (0, 1)), OpenDecision(decision(5.0), (0, 2)), stride=4)
    pending = pending_creatives(windows, lambda _: True, NOW)
    # Position 1 shows no creative.
    assert pending.ages_seconds.tolist() == [30.0, 5.0, 5.0]
    assert pending.shown[0] == ("space", {"hour": 13, "device": 2}, {"title": "größer", "image": "blue"})
    assert pending.stands_for == 4.0
    # Two of three clicks came within 30 seconds, none within 5.
    assert pending.curve(pending.ages_seconds) == pytest.approx([2 / 3, 0.0, 0.0])


def test_clocks_that_disagree_make_no_negative_age() -> None:
    pending = pending_creatives(Windows(OpenDecision(decision(-3.0), (0,))), lambda _: True, NOW)
    assert pending.ages_seconds.tolist() == [0.0]


def test_what_the_catalogue_has_no_more_is_not_pending() -> None:
    pending = pending_creatives(Windows(OpenDecision(decision(30.0), (0,))), lambda _: False, NOW)
    assert len(pending.shown) == 0


def learned_rate(root: Path, windows: Windows | None) -> float:
    """The click rate that the bias says after one click was learned."""
    learner = CreativeLearner(CATALOGUE, root, LearnerSettings())
    rewards = CreativeRewards(learner, lambda: NOW, windows)
    version = rewards.learn([JoinedReward(1, decision(50.0), 0, 1.0, expired=False)])
    assert version is not None
    return float(load(root, version).posterior.loc.bias)


def test_silence_of_old_impressions_is_learned_and_that_of_young_ones_is_not(tmp_path: Path) -> None:
    old, young = (Windows(*[OpenDecision(decision(age), (0, 2))] * 20) for age in (70.0, 5.0))
    alone = learned_rate(tmp_path / "alone", None)
    assert learned_rate(tmp_path / "young", young) == alone
    assert learned_rate(tmp_path / "old", old) < alone - 1.0


def test_sample_that_stands_for_less_than_itself_is_an_error() -> None:
    with pytest.raises(CreativeError, match="stands_for = 0"):
        pending_creatives(Windows(stride=0), lambda _: True, NOW)


def test_pending_impressions_are_asked_for_as_outcomes_without_a_reward() -> None:
    asked: list[CreativeOutcome] = []

    def knows(outcome: CreativeOutcome) -> bool:
        asked.append(outcome)
        return True

    pending_creatives(Windows(OpenDecision(decision(30.0), (0,))), knows, NOW)
    assert [(each.space_id, each.reward) for each in asked] == [("space", 0.0)]
