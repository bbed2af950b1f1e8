"""What is known of candidates without a model."""

from __future__ import annotations

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


def test_it_remembers_no_more_than_it_may(monkeypatch):
    monkeypatch.setattr(last_scores, "MAX_CANDIDATES", 3)
    scores = LastScores()
    scores.learn("s", ["a", "b"], [0.5, 0.5])
    scores.learn("s", ["c", "d"], [0.1, 0.1])
    assert scores.ctr("s", ["c"]).tolist() == [0.1]
    assert scores.ctr("s", ["a"]).tolist() == pytest.approx([0.5 - 0.01 * 0.4])  # the prior
