"""What is known of candidates without a model."""

from __future__ import annotations

import tracemalloc

import pytest

from ranker import last_scores
from ranker.last_scores import LastScores


def test_nothing_is_known_before_the_first_answer():
    assert LastScores().ctr("s", ["a"]) is None


def test_the_last_score_counts_and_the_unknown_get_the_mean():
    scores = LastScores()
    scores.learn("s", ["a", "b"], [0.1, 0.3])
    scores.learn("s", ["b"], [0.2])
    # The mean of the requests' means, 0.2 and 0.2.
    assert scores.ctr("s", ["a", "b", "new"]).tolist() == pytest.approx([0.1, 0.2, 0.2])
    assert scores.ctr("other", ["a"]) is None


def test_what_is_oldest_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(last_scores, "MAX_CANDIDATES", 3)
    scores = LastScores()
    scores.learn("s", ["a", "b"], [0.5, 0.5])
    scores.learn("s", ["c", "d"], [0.1, 0.1])
    assert scores.ctr("s", ["a", "c"]).tolist() == [0.5, 0.1]
    scores.learn("s", ["c", "e"], [0.2, 0.2])
    prior = 0.5 - 0.01 * 0.4
    prior -= 0.01 * (prior - 0.2)
    assert scores.ctr("s", ["a", "c", "d", "e"]).tolist() == pytest.approx([prior, 0.2, 0.1, 0.2])


def test_ads_that_have_ended_are_forgotten_while_few_are_alive(monkeypatch):
    monkeypatch.setattr(last_scores, "MAX_SCORES", 100)
    scores = LastScores()
    scores.learn("s", ["ended"], [0.9])
    for _ in range(1000):
        scores.learn("s", ["alive"], [0.1])
    assert scores.ctr("s", ["alive", "ended"]).tolist() == pytest.approx([0.1, 0.1], rel=1e-3)


def test_memory_does_not_grow_with_the_ads_of_a_day(monkeypatch):
    monkeypatch.setattr(last_scores, "MAX_SCORES", 10_000)
    scores = LastScores()

    def bytes_after(first: int) -> int:
        for number in range(first, first + 3_000):  # of ten ads each, one of them new
            scores.learn("s", [f"ad{number + i}" for i in range(10)], [0.1] * 10)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        after_two_generations = bytes_after(0)
        assert bytes_after(3_000) < 1.1 * after_two_generations
    finally:
        tracemalloc.stop()
