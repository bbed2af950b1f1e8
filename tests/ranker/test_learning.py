"""When a new posterior is due."""

from __future__ import annotations

import pytest

from ranker.errors import InvalidInputError
from ranker.learning import LearningLoop, LearningSettings


class Source:
    def __init__(self, num: int) -> None:
        self.num = num

    def joined_after(self, sequence: int, limit: int) -> list[int]:
        return list(range(sequence + 1, min(self.num, sequence + limit) + 1))


class Learner:
    def __init__(self) -> None:
        self.sequence = 0
        self.batches: list[int] = []

    def learn(self, rewards) -> str:
        self.batches.append(len(rewards))
        self.sequence = rewards[-1]
        return f"v{self.sequence}"


@pytest.fixture
def loop():
    source, learner, now = Source(0), Learner(), [0.0]
    made = LearningLoop(source, learner, LearningSettings(10, 2.0, 25), lambda: now[0])
    return made, source, learner, now


def test_nothing_is_learned_from_nothing(loop):
    assert loop[0].step() is None


def test_a_full_batch_is_learned_at_once(loop):
    made, source, learner, _ = loop
    source.num = 10
    assert made.step() == "v10"
    assert learner.batches == [10]


def test_a_small_batch_waits_its_time_and_no_longer(loop):
    made, source, _, now = loop
    source.num = 3
    assert made.step() is None
    now[0] = 1.9
    assert made.step() is None
    now[0] = 2.0
    assert made.step() == "v3"
    source.num = 4
    assert made.step() is None  # the next one waits anew


def test_a_backlog_is_taken_in_pieces(loop):
    made, source, learner, _ = loop
    source.num = 60
    while made.step():
        pass
    assert learner.batches == [25, 25, 10]


@pytest.mark.parametrize(
    "changes", [{"batch_size": 0}, {"max_wait_seconds": 0.0}, {"batch_size": 30_000}, {"poll_seconds": -1.0}]
)
def test_settings_out_of_range_are_refused(changes):
    with pytest.raises(InvalidInputError, match=next(iter(changes))):
        LearningSettings(**changes)
