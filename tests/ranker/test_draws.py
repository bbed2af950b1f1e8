"""What is drawn, request after request, is what the decisions say: slates, and candidates at positions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from ranker.pipeline import PipelineSettings, rank
from ranker.rank_many import rank_many
from ranker.scoring.schema import FeatureSchema, Field
from ranker.slate import Basis, Candidates, Constraint, Context, Decision, RankRequest, Relation
from ranker.snapshot import Snapshot
from ranker.stages import StageTimer

DEVICE = Field("device", "categorical", "context", size=1)
SNAPSHOT = Snapshot({"s": FeatureSchema("s", "click", (DEVICE,))}, {})
NUM_DRAWS = 6000
ALPHA = 1e-4
"""Fixed seeds; each test fails by chance in one of 10⁴ of them."""


def opportunity(request_id: str) -> RankRequest:
    candidates = Candidates(
        tuple("abcd"),
        np.ones(4),
        np.empty((0, 0), np.float32),
        np.empty((0, 0), np.int64),
        ctr=np.array([0.5, 0.4, 0.2, 0.1]),
    )
    limits = (
        Constraint("ab", Relation.AT_MOST, 0.55, Basis.SHARE_OF_ATTENTION),
        Constraint("d", Relation.AT_LEAST, 0.2, Basis.SHARE_OF_ATTENTION),
    )
    weights = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    return RankRequest(
        request_id,
        "s",
        Context(categorical=np.array([0])),
        candidates,
        2,
        constraints=limits,
        constraint_weights=weights,
        attention=np.array([1.0, 0.5]),
    )


def shown(decision: Decision) -> tuple[str, ...]:
    return tuple(ad.candidate_id for ad in decision.shown)


@pytest.fixture(scope="module", params=[0.0, 0.3], ids=["mixture", "explored"])
def decisions(request: pytest.FixtureRequest) -> list[Decision]:
    asked = [opportunity(f"r{i}") for i in range(NUM_DRAWS)]
    answers = rank_many(asked, SNAPSHOT, PipelineSettings(request.param))
    assert all(isinstance(answer, Decision) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Decision)]


def test_slates_come_as_often_as_their_propensities_say(decisions: list[Decision]) -> None:
    propensity = {shown(decision): decision.slate_propensity for decision in decisions}
    counts = Counter(map(shown, decisions))
    # Every slate that can be drawn has been: their propensities sum to 1.
    assert sum(propensity.values()) == pytest.approx(1.0)
    assert len(propensity) > 1
    expected = np.array([propensity[slate] for slate in counts])
    assert chisquare(list(counts.values()), expected / expected.sum() * NUM_DRAWS).pvalue > ALPHA


@pytest.mark.parametrize("j", [0, 1])
def test_candidates_stand_at_each_position_as_often_as_it_says(decisions: list[Decision], j: int) -> None:
    propensity = {d.shown[j].candidate_id: d.shown[j].propensity for d in decisions}
    counts = Counter(decision.shown[j].candidate_id for decision in decisions)
    assert sum(propensity.values()) == pytest.approx(1.0)
    assert len(propensity) > 1
    expected = np.array([propensity[candidate] for candidate in counts])
    assert chisquare(list(counts.values()), expected / expected.sum() * NUM_DRAWS).pvalue > ALPHA


def test_a_draw_depends_on_the_problem_the_id_and_the_key_alone() -> None:
    def drawn(key: bytes, names: list[str]) -> list[tuple[str, ...]]:
        settings = PipelineSettings(0.3, draw_key=key)
        return [shown(rank(opportunity(name), SNAPSHOT, settings, StageTimer())) for name in names]

    names = [f"r{i}" for i in range(40)]
    assert drawn(b"key", names) == drawn(b"key", names[::-1])[::-1]
    assert drawn(b"key", names) != drawn(b"other", names)
    assert len(set(drawn(b"key", names))) > 1
