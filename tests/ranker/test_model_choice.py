"""Which model answers, and what is learned from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranker.model_choice import ModelChoice
from ranker.rolling_bound import WINDOW
from ranker.scoring.ladder import Ladder, Rung
from ranker.slate import Candidates, Context, RankRequest
from ranker.snapshot import Snapshot

LADDER = Ladder(
    "s",
    (
        Rung("best", 0.40, (100,), (20e-3,)),
        Rung("middle", 0.42, (100,), (5e-3,)),
        Rung("fast", 0.45, (100,), (1e-3,)),
    ),
)
SNAPSHOT = Snapshot({}, {}, ladders={"s": LADDER})


def request(version: str = "", ctr: np.ndarray | None = None, n: int = 100) -> RankRequest:
    features = np.zeros((n, 0), np.float32), np.zeros((n, 0), np.int64)
    ads = Candidates(tuple(f"ad{i}" for i in range(n)), np.ones(n), *features, ctr=ctr)
    return RankRequest("r", "s", Context(), ads, 1, model_version=version)


def chosen(models: ModelChoice, milliseconds: float | None, n: int = 100) -> str:
    seconds = None if milliseconds is None else milliseconds / 1e3
    return models.pinned(request(n=n), SNAPSHOT, seconds).model_version


@pytest.mark.parametrize(
    ("milliseconds", "version"), [(None, "best"), (21.0, "best"), (19.0, "middle"), (4.0, "fast")]
)
def test_the_best_that_is_in_time_answers(milliseconds, version):
    assert chosen(ModelChoice(), milliseconds) == version


def test_more_candidates_leave_less_choice():
    assert chosen(ModelChoice(), 21.0, n=200) == "middle"


def test_time_for_the_rest_of_the_answer_is_kept():
    models = ModelChoice()
    models.answered(100, 3e-3)
    assert chosen(models, 22.0) == "middle"
    assert chosen(models, 24.0) == "best"
    assert chosen(models, 22.0, n=20) == "best", "small requests do not take what large ones do"


def test_stalls_that_no_model_could_make_up_for_change_no_choice():
    models = ModelChoice()
    for number in range(WINDOW):
        models.answered(100, 50e-3 if number % 20 == 0 else 3e-3)
    assert chosen(models, 24.0) == "best"
    # The best would be late where the fastest is in time: with every twentieth answer.
    assert chosen(models, 60.0) == "middle"
    assert chosen(models, 71.0) == "best"


def test_a_deadline_that_even_the_fastest_mostly_misses_gets_the_fastest():
    counted = []
    models = ModelChoice(lambda: counted.append(1))
    for _ in range(WINDOW):
        models.answered(100, 3e-3)
    assert chosen(models, 3.5) == "fast"
    assert counted == [1]
    assert chosen(models, 4.5) == "fast"
    assert counted == [1]


@pytest.mark.parametrize("milliseconds", [0.5, -1.0])
def test_where_none_is_in_time_the_fastest_answers_and_is_counted(milliseconds):
    counted = []
    assert chosen(ModelChoice(lambda: counted.append(1)), milliseconds) == "fast"
    assert counted == [1]


def test_a_model_that_is_slower_here_waits_for_a_longer_deadline_and_is_tried_again():
    models = ModelChoice()
    for _ in range(2):  # one of two hundred may be late
        models.scored(request("best"), SNAPSHOT, 40e-3)
    assert chosen(models, 50.0) == "best"
    answers = [chosen(models, 30.0) for _ in range(WINDOW)]
    # Both have left the window of WINDOW values once WINDOW − 1 were added: the second alone may be late.
    assert answers == ["middle"] * (WINDOW - 1) + ["best"]


def test_a_model_that_is_faster_here_is_trusted_once_it_has_shown_it():
    models = ModelChoice()
    for _ in range(WINDOW):
        models.scored(request("best"), SNAPSHOT, 10e-3)
    assert chosen(models, 11.0) == "best"


def test_no_choice_is_made_for_who_has_made_it():
    models = ModelChoice()
    other = replace(request(), schema_id="other")
    own_scores = request(ctr=np.full(100, 0.1))
    for asked in (request("fast"), other, own_scores):
        assert models.pinned(asked, SNAPSHOT, 1.0) is asked


def test_what_the_fastest_would_have_spared_is_told():
    told = []
    models = ModelChoice(spared=told.append)
    models.scored(request("middle"), SNAPSHOT, 6e-3)
    models.scored(request("fast"), SNAPSHOT, 0.5e-3)
    assert told == [pytest.approx(5e-3), 0.0]
