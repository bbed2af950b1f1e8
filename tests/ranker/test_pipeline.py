"""The way of one request, with scores given so that every number can be followed by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.attention.attention_file import AttentionFile
from ranker.attention.curve import Curve
from ranker.errors import InvalidInputError, NotFoundError, StateError
from ranker.pipeline import PipelineSettings, rank
from ranker.scoring.schema import FeatureSchema, Field
from ranker.slate import Basis, Candidates, Constraint, Context, Mode, RankRequest, Relation
from ranker.snapshot import Snapshot
from ranker.stages import StageTimer

SCHEMA = FeatureSchema("s", "click", (Field("device", "categorical", "context", size=3),))


@dataclass(frozen=True)
class Chosen:
    space_id: str
    elements: dict[str, str]
    propensity: float
    draw: int
    floor: float = 0.0
    feasible_hash: str = "all"
    pool_seed: int = 7
    exact: bool = True


class DrawnSelector:
    """Shows which draw and context it was asked with."""

    version = "p1"
    num_draws = 16

    def check(self, space_id, context):
        if space_id != "banner":
            raise NotFoundError("space_id", space_id, f"unknown in {context}")

    def select_many(self, space_ids, context, draw, us):
        elements = {"headline": f"{draw}/{context['device']}"}
        return [Chosen(space_id, elements, 0.5, draw) for space_id, _ in zip(space_ids, us, strict=True)]


def request(ctr, k=1, **changes) -> RankRequest:
    n = len(ctr)
    columns = Candidates(
        tuple(f"ad{i}" for i in range(n)),
        np.ones(n),
        np.empty((0, 0), np.float32),
        np.empty((0, 0), np.int64),
        ctr=np.array(ctr),
    )
    context = Context(np.empty(0, np.float32), np.array([2]))
    return replace(RankRequest("r", "s", context, columns, k, attention=np.ones(k)), **changes)


def decide(asked: RankRequest, ratio: float = 0.0, selector=None):
    return rank(asked, Snapshot({"s": SCHEMA}, {}, selector), PipelineSettings(ratio), StageTimer())


def test_a_share_limit_mixes_two_slates_by_hand():
    # One position, ctr 0.5 and 0.2; the first gets at most 60 % of the attention: 0.6·0.5 + 0.4·0.2 = 0.38,
    # and a unit more of the limit would be worth 0.5 − 0.2.
    limit = Constraint("first", Relation.AT_MOST, 0.6, Basis.SHARE_OF_ATTENTION)
    decision = decide(request([0.5, 0.2], constraints=(limit,), constraint_weights=np.array([[1.0, 0.0]])))
    assert decision.expected_objective == pytest.approx(0.38)
    assert dict(zip(decision.slates, decision.probabilities, strict=True)) == pytest.approx(
        {(0,): 0.6, (1,): 0.4}
    )
    (report,) = decision.constraints
    assert (report.limit, report.expected_use, report.dual) == pytest.approx((0.6, 0.6, 0.3))
    assert report.met


def test_a_lower_limit_reads_as_it_was_asked():
    limit = Constraint("second", Relation.AT_LEAST, 0.4, Basis.SHARE_OF_ATTENTION)
    decision = decide(request([0.5, 0.2], constraints=(limit,), constraint_weights=np.array([[0.0, 1.0]])))
    (report,) = decision.constraints
    assert (report.limit, report.expected_use, report.dual) == pytest.approx((0.4, 0.4, 0.3))


def test_exploration_keeps_the_limit_of_the_whole_policy():
    # 10 % uniform gives the first ad 0.05; the mixture may add (0.6 − 0.05)/0.9.
    limit = Constraint("first", Relation.AT_MOST, 0.6)
    decision = decide(
        request([0.5, 0.2], constraints=(limit,), constraint_weights=np.array([[1.0, 0.0]])), ratio=0.1
    )
    assert decision.constraints[0].expected_use == pytest.approx(0.6)
    assert max(decision.probabilities) == pytest.approx(0.55 / 0.9)
    shown = decision.slates.index(
        tuple(decision.candidate_ids.index(ad.candidate_id) for ad in decision.shown)
    )
    assert decision.slate_propensity == pytest.approx(0.9 * decision.probabilities[shown] + 0.1 / 2)
    assert decision.shown[0].propensity == pytest.approx(decision.slate_propensity)


def test_a_limit_that_cannot_hold_is_reported_with_the_least_violation():
    limit = Constraint("none", Relation.AT_MOST, 0.2)
    decision = decide(request([0.5, 0.2], constraints=(limit,), constraint_weights=np.array([[0.7, 0.5]])))
    (report,) = decision.constraints
    assert not report.met
    assert report.slack == pytest.approx(-0.3)
    assert decision.solver_status == "infeasible"


def test_a_priced_limit_is_broken_where_that_pays():
    # Breaking costs 0.1 a unit and gains 0.3.
    limit = Constraint("first", Relation.AT_MOST, 0.6, violation_price=0.1)
    decision = decide(request([0.5, 0.2], constraints=(limit,), constraint_weights=np.array([[1.0, 0.0]])))
    assert decision.constraints[0].slack == pytest.approx(-0.4)
    assert decision.expected_objective == pytest.approx(0.5 - 0.1 * 0.4)


def test_creatives_of_a_request_share_one_draw_and_see_its_context():
    asked = request([0.5, 0.4, 0.3], k=3)
    spaces = replace(asked.candidates, creative_space_ids=("banner", "", "banner"))
    decision = decide(replace(asked, candidates=spaces), selector=DrawnSelector())
    first, none, third = (ad.creative for ad in decision.shown)
    assert none is None
    assert first.draw == third.draw
    assert first.elements == {"headline": f"{first.draw}/2"}
    assert decision.posterior_version == "p1"


def test_a_creative_space_is_refused_whether_its_ad_is_drawn_or_not():
    asked = request([0.5, 0.4, 0.0], k=1)
    spaces = replace(asked.candidates, creative_space_ids=("banner", "", "typo"))
    with pytest.raises(NotFoundError, match="typo"):
        decide(replace(asked, candidates=spaces), selector=DrawnSelector())


def test_a_context_id_that_the_schema_lacks_is_refused():
    with pytest.raises(InvalidInputError, match=r"context\[device\] = 3: must lie in 0 … 2"):
        decide(request([0.5], context=Context(np.empty(0, np.float32), np.array([3]))))


def test_scores_and_a_pinned_model_exclude_each_other():
    with pytest.raises(InvalidInputError, match="model_version = 'v1'"):
        request([0.5], model_version="v1")


def test_the_default_attention_is_the_discount_of_dcg():
    decision = decide(request([0.5, 0.4, 0.3], k=3, attention=None))
    assert [ad.attention for ad in decision.shown] == pytest.approx([1.0, 0.6309297536, 0.5])
    assert decision.attention_version == "dcg"


def test_a_request_without_attention_is_answered_with_the_curve_of_its_context():
    phones = curve_of(1.0, 0.25)
    file = AttentionFile(
        "harvest",
        "delta method",
        0.95,
        40,
        curve_of(1.0, 0.5),
        {"device=2": phones},
        context_fields=("device",),
    )
    snapshot = Snapshot({"s": SCHEMA}, {}, attention=file)

    def shown(device, **changes):
        context = Context(np.empty(0, np.float32), np.array([device]))
        asked = request([0.5, 0.4], k=2, context=context, **({"attention": None} | changes))
        decision = rank(asked, snapshot, PipelineSettings(0.0), StageTimer())
        return [ad.attention for ad in decision.shown], decision.attention_version

    assert shown(2) == ([1.0, 0.25], file.version)
    assert shown(1) == ([1.0, 0.5], file.version)  # no curve of its own: that of all traffic
    assert shown(2, attention=np.array([0.9, 0.8])) == ([0.9, 0.8], "")
    with pytest.raises(InvalidInputError, match=r"attention.num_positions = 3: the curve has 1..2"):
        rank(request([0.5] * 3, k=3, attention=None), snapshot, PipelineSettings(0.0), StageTimer())


def curve_of(*attention):
    a = np.array(attention)
    return Curve(a, a, a, np.full(len(a), 100.0), np.full(len(a), 7.0))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_report_is_what_the_policys_slates_use_on_average(data):
    n, k, ratio = data.draw(st.integers(3, 6)), 2, data.draw(st.sampled_from([0.0, 0.3]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    weights, attention = rng.random((2, n)), np.array([1.0, 0.5])
    limits = (
        Constraint("a", Relation.AT_MOST, float(rng.uniform(0.3, 1.5))),
        Constraint("b", Relation.AT_LEAST, float(rng.uniform(0.1, 0.8))),
    )
    asked = request(
        rng.random(n).tolist(), k=k, attention=attention, constraints=limits, constraint_weights=weights
    )
    decision = decide(asked, ratio)
    served = sum(
        p * weights[:, list(slate)] @ attention
        for slate, p in zip(decision.slates, decision.probabilities, strict=True)
    )
    use = (1 - ratio) * served + ratio * weights.mean(axis=1) * attention.sum()
    assert [c.expected_use for c in decision.constraints] == pytest.approx(use)
    assert sum(decision.probabilities) == pytest.approx(1)


def test_a_context_of_another_length_is_refused():
    with pytest.raises(InvalidInputError, match=r"context.categorical.length = 0"):
        decide(request([0.5], context=Context(np.empty(0, np.float32), np.empty(0, np.int64))))


def test_features_without_a_model_are_refused():
    asked = request([0.5])
    featured = replace(
        asked.candidates,
        ctr=None,
        numeric=np.empty((1, 0), np.float32),
        categorical=np.empty((1, 0), np.int64),
    )
    with pytest.raises(NotFoundError, match="has no CTR model"):
        decide(replace(asked, candidates=featured))


def test_creatives_without_a_catalogue_are_refused():
    asked = request([0.5])
    with pytest.raises(StateError, match="no creative catalogue"):
        decide(replace(asked, candidates=replace(asked.candidates, creative_space_ids=("banner",))))


def test_no_exploration_serves_the_mixture_alone():
    decision = decide(request([0.5, 0.2], mode=Mode(no_exploration=True)), ratio=0.5)
    assert decision.exploration_ratio == 0
    assert decision.slate_propensity == pytest.approx(1)
