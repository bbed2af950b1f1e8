"""Many requests are answered as each alone, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranker.errors import InvalidInputError, NotFoundError
from ranker.events.codec import encode
from ranker.pipeline import PipelineSettings, rank
from ranker.rank_many import rank_many
from ranker.scoring.schema import FeatureSchema, Field
from ranker.slate import Basis, Candidates, Constraint, Context, Decision, Mode, RankRequest, Relation
from ranker.snapshot import Snapshot
from ranker.stages import StageTimer
from tests.ranker.test_pipeline import DrawnSelector

SCHEMA = FeatureSchema("s", "click", (Field("device", "categorical", "context", size=3),))
SNAPSHOT = Snapshot({"s": SCHEMA}, {}, DrawnSelector())


def opportunity(rng: np.random.Generator, i: int) -> RankRequest:
    """Asks for anything: shapes, weights laid out by row or by column, limits of all kinds."""
    n = int(rng.integers(1, 40))
    k, num_limits = int(rng.integers(1, min(n, 12) + 1)), int(rng.integers(0, 12))
    weights = rng.choice([0.0, 0.3, 1.0], (num_limits, n)) * rng.random((num_limits, n))
    limits = tuple(
        Constraint(
            f"limit {q}",
            Relation.AT_MOST if rng.random() < 0.8 else Relation.AT_LEAST,
            float(rng.choice([0.0, 0.1, 0.4])),
            Basis.SHARE_OF_ATTENTION if rng.random() < 0.5 else Basis.ABSOLUTE,
            None if rng.random() < 0.5 else 2.0,
        )
        for q in range(num_limits)
    )
    spaces = tuple(rng.choice(["", "banner"], n).tolist()) if rng.random() < 0.3 else ()
    return RankRequest(
        f"request-{i}",
        "s",
        Context(categorical=np.array([int(rng.integers(3))])),
        Candidates(
            tuple(f"ad-{j}" for j in range(n)),
            rng.uniform(0, 2, n),
            ctr=rng.uniform(0, 0.3, n),
            creative_space_ids=spaces,
        ),
        k,
        limits,
        np.asfortranarray(weights) if rng.random() < 0.5 else weights,
        None if rng.random() < 0.5 else np.sort(rng.uniform(0.1, 1, k))[::-1],
        mode=Mode(no_exploration=bool(rng.random() < 0.2)),
    )


def alone(request: RankRequest, settings: PipelineSettings, like: Decision) -> Decision:
    decision = rank(request, SNAPSHOT, settings, StageTimer())
    return replace(decision, created_at=like.created_at, stage_seconds={})


@pytest.mark.parametrize(("ratio", "experiment"), [(0.0, None), (0.02, "fresh"), (0.6, None)])
def test_any_requests_are_answered_as_each_alone(ratio: float, experiment: str | None) -> None:
    rng = np.random.default_rng(int(100 * ratio))
    asked = [opportunity(rng, i) for i in range(60)]
    # Each three times, so that groups have more than one member.
    asked += [replace(each, request_id=f"{each.request_id}-{i}") for each in asked for i in range(2)]
    settings = PipelineSettings(ratio, experiment=experiment)
    answers = rank_many(asked, SNAPSHOT, settings, num_threads=1)
    for request, answer in zip(asked, answers, strict=True):
        assert isinstance(answer, Decision)
        assert encode(answer) == encode(alone(request, settings, answer))


def test_one_that_is_refused_fails_alone() -> None:
    asked = [opportunity(np.random.default_rng(1), i) for i in range(3)]
    columns = Candidates(("a", "b"), np.full(2, 1e30), ctr=np.array([1.0, 0.5]))
    limit = (Constraint("none", Relation.AT_MOST, 0.0),)
    tiny = np.array([[1e-300, 5e-301]])
    small = RankRequest("small", "s", Context(categorical=np.array([0])), columns, 1, limit, tiny)
    fine = replace(small, request_id="fine", constraint_weights=np.ones((1, 2)))
    foreign = replace(asked[1], schema_id="nowhere")
    settings = PipelineSettings(0.0)
    many = rank_many([asked[0], small, foreign, fine, asked[2]], SNAPSHOT, settings)
    assert isinstance(many[1], InvalidInputError)
    assert isinstance(many[2], NotFoundError)
    for request, answer in ((asked[0], many[0]), (fine, many[3]), (asked[2], many[4])):
        assert isinstance(answer, Decision)
        assert encode(answer) == encode(alone(request, settings, answer))


def test_no_requests_have_no_answers() -> None:
    assert rank_many([], SNAPSHOT, PipelineSettings()) == []
