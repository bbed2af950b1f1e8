"""Requests of a load: they fit the schema, and some of their limits bind."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.load.synthetic import RequestShape, synthetic_request
from ranker.pipeline import PipelineSettings, rank
from ranker.scoring.schema import FeatureSchema, Field
from ranker.snapshot import Snapshot
from ranker.stages import StageTimer

SCHEMA = FeatureSchema(
    "s",
    "click",
    (
        Field("hour", "numeric", "context"),
        Field("device", "categorical", "context", size=3),
        Field("brand", "categorical", "candidate", size=7),
    ),
)


class Even:
    """Scores every candidate alike, and checks what it is given."""

    version = "even"
    schema = SCHEMA

    def score(self, numeric, categorical, candidate_numeric, candidate_categorical):
        assert numeric.shape == (1,)
        assert 0 <= categorical[0] < 3
        assert candidate_numeric.shape == (40, 0)
        assert candidate_categorical.shape == (40, 1)
        assert candidate_categorical.max() < 7
        return np.full(40, 0.1)


def test_the_requests_are_answered_and_about_half_of_their_limits_bind():
    rng = np.random.default_rng(0)
    shape = RequestShape(num_candidates=40, num_positions=5, num_constraints=4)
    snapshot = Snapshot({"s": SCHEMA}, {"s": {"even": Even()}})
    bound = met = 0
    for i in range(50):
        request = synthetic_request(SCHEMA, shape, f"r{i}", rng)
        decision = rank(request, snapshot, PipelineSettings(0.0), StageTimer())
        bound += sum(report.dual > 0 for report in decision.constraints)
        met += sum(report.met for report in decision.constraints)
    assert met == 200
    assert 20 < bound < 180


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_positions": 0}, "num_positions = 0: must lie in 1 … num_candidates = 100"),
        ({"num_positions": 101}, "num_positions = 101: must lie in 1 … num_candidates = 100"),
        ({"num_constraints": -1}, "num_constraints = -1: must not be negative"),
    ],
)
def test_impossible_shapes_are_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        RequestShape(**changes)
