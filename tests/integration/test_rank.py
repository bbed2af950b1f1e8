"""Ranking over real gRPC."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.slate import Basis, Constraint, Mode, Relation


def share(name: str, relation: Relation, limit: float) -> Constraint:
    return Constraint(name, relation, limit, Basis.SHARE_OF_ATTENTION)


def test_a_slate_carries_everything_that_was_asked(client, make_request):
    request = make_request(
        constraints=(share("new", Relation.AT_LEAST, 0.5), share("big", Relation.AT_MOST, 0.2)),
        constraint_weights=np.array([[1, 0, 0, 0, 0, 1], [0, 1, 1, 1, 1, 0]], float),
        attention=np.array([1.0, 0.8, 0.5]),
    )
    answer = client.rank(request)
    assert answer.decision_id == "r1"
    assert len({ad.candidate_id for ad in answer.slate}) == 3
    for ad in answer.slate:
        i = request.candidates.ids.index(ad.candidate_id)
        assert ad.value == pytest.approx(ad.ctr * request.candidates.bids[i])
        assert 0 < ad.propensity <= 1
        assert set(ad.creative.elements) == {"headline", "colour"}
        assert 0 < ad.creative.propensity <= 1
    assert [ad.attention for ad in answer.slate] == [1.0, 0.8, 0.5]
    assert len({ad.creative.draw for ad in answer.slate}) == 1
    assert 0 < answer.slate_propensity <= 1
    assert answer.gap == pytest.approx(0, abs=1e-6)
    assert answer.model_version
    assert answer.posterior_version
    new, big = answer.constraints
    # Two ads are new, so one of three is big, and even the last position has 0.5/2.3 = 22 % of the attention.
    assert new.limit == pytest.approx(0.5 * 2.3)
    assert not (new.met and big.met)
    assert answer.solver_status == "infeasible"
    assert {"decode", "score", "solve", "draw", "creatives", "log"} <= set(answer.stage_seconds)


def test_limits_that_can_hold_are_met_in_expectation(client, make_request):
    weights = np.array([[1, 1, 1, 0, 0, 0]], float)
    answer = client.rank(
        make_request(constraints=(share("new", Relation.AT_LEAST, 0.4),), constraint_weights=weights)
    )
    (report,) = answer.constraints
    assert report.met
    assert report.expected_use >= report.limit - 1e-7
    assert report.slack == pytest.approx(report.expected_use - report.limit)
    assert report.dual >= 0


def test_a_count_among_the_first_positions_is_met_in_expectation(client, make_request):
    weights = np.array([[1, 1, 1, 0, 0, 0]], float)
    free = client.rank(make_request("free"))
    counted = Constraint("first two", Relation.AT_LEAST, 1.25, position_weights=(1.0, 1.0, 0.0))
    share_of_two = Constraint("share", Relation.AT_MOST, 0.5, Basis.SHARE_OF_ATTENTION, None, (1.0, 1.0, 0.0))
    for constraint, limit in ((counted, 1.25), (share_of_two, 1.0)):
        request = make_request(constraint.name, constraints=(constraint,), constraint_weights=weights)
        answer = client.rank(request)
        (report,) = answer.constraints
        assert report.limit == limit
        assert report.met
        assert answer.expected_objective <= free.expected_objective + 1e-9
        assert answer.solver_status == "optimal"


def test_the_callers_own_scores_need_no_model(client, make_request):
    request = make_request()
    scores = np.array([0.1, 0.9, 0.2, 0.8, 0.3, 0.7])
    own = replace(request.candidates, ctr=scores, bids=np.ones(6))
    answer = client.rank(replace(request, candidates=own, mode=Mode(no_exploration=True)))
    assert [ad.candidate_id for ad in answer.slate] == ["ad1", "ad3", "ad5"]
    assert [ad.ctr for ad in answer.slate] == [0.9, 0.8, 0.7]
    assert answer.slate_propensity == pytest.approx(1.0)
    assert answer.model_version == ""


def test_a_retry_gets_the_stored_decision(client, make_request):
    first = client.rank(make_request())
    again = client.rank(make_request())
    assert replace(first, stage_seconds={}) == replace(again, stage_seconds={})


def test_a_second_use_of_an_id_is_refused(client, make_request):
    client.rank(make_request())
    with pytest.raises(InvalidInputError, match=r"request_id = 'r1': was used for another request"):
        client.rank(make_request(num_positions=2))


def test_a_dry_run_leaves_no_trace(client, server, make_request):
    answer = client.rank(make_request(mode=Mode(no_log=True)))
    assert server.parts.store.find_decision(answer.decision_id) is None
    client.rank(make_request(num_positions=2))  # the id is still free


def test_explored_slates_appear_as_often_as_their_propensity_says(client, make_request):
    # Without exploration the slate is one of at most K+1 = 1; with ε = 0.02 others appear 2 % of the time.
    # 500 draws: binomial sd = √(500·0.02·0.98) = 3.1; the seed of the draws is the home's key, which is
    # random, so the bound is 5 sd + the mean: more than 26 would happen once in 10⁶ runs.
    best = client.rank(make_request("best", mode=Mode(no_exploration=True, no_log=True)))
    ids = [ad.candidate_id for ad in best.slate]
    answers = client.batch_rank([make_request(f"e{i}", mode=Mode(no_log=True)) for i in range(500)])
    others = [a for a in answers if [ad.candidate_id for ad in a.slate] != ids]
    assert len(others) <= 26
    for answer in others:
        assert answer.slate_propensity == pytest.approx(0.02 / (6 * 5 * 4))
    same = next(a for a in answers if [ad.candidate_id for ad in a.slate] == ids)
    assert same.slate_propensity == pytest.approx(0.98 + 0.02 / (6 * 5 * 4))


def test_a_batch_answers_each_request_and_names_the_bad_one(client, make_request):
    good, bad = make_request("good"), make_request("bad", schema_id="nowhere")
    first, second = client.batch_rank([good, bad])
    assert first.decision_id == "good"
    assert second.field == "schema_id"
    assert second.value == "nowhere"
