"""What the solver is asked where constraints weigh positions in their own way."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linprog

from ranker.errors import InvalidInputError
from ranker.pipeline import PipelineSettings, rank
from ranker.rank_many import rank_many
from ranker.scoring.schema import FeatureSchema, Field
from ranker.slate import (
    MAX_POSITIONED_SIZE,
    Basis,
    Candidates,
    Constraint,
    Context,
    Decision,
    Mode,
    RankRequest,
    Relation,
)
from ranker.slate_rules import FREE, SlateRules
from ranker.snapshot import Snapshot
from ranker.stages import StageTimer

SNAPSHOT = Snapshot(
    {"s": FeatureSchema("s", "click", (Field("device", "categorical", "context", size=1),))}, {}
)
ATTENTION = np.array([1.0, 0.5])


def opportunity(
    ctr: list[float], constraints: tuple[Constraint, ...], weights: list[list[float]], **changes: object
) -> RankRequest:
    n = len(ctr)
    candidates = Candidates(tuple(f"ad{i}" for i in range(n)), np.ones(n), ctr=np.array(ctr))
    context = Context(categorical=np.array([0]))
    request = RankRequest("r", "s", context, candidates, 2, constraints, np.array(weights), ATTENTION)
    return replace(request, **changes)  # type: ignore[arg-type]


def decide(request: RankRequest, ratio: float = 0.0) -> Decision:
    return rank(request, SNAPSHOT, PipelineSettings(ratio), StageTimer())


def test_an_ad_may_stand_first_in_half_of_the_slates_by_hand() -> None:
    # Half of the time 0.6·1 + 0.4·½, half of the time 0.4·1 + 0.6·½; one slate more with the first ad first
    # would be worth (0.6 − 0.4)·(1 − ½).
    first = Constraint("first", Relation.AT_MOST, 0.5, position_weights=(1.0, 0.0))
    decision = decide(opportunity([0.6, 0.4, 0.1], (first,), [[1.0, 0.0, 0.0]]))
    assert decision.expected_objective == pytest.approx(0.5 * 0.8 + 0.5 * 0.7)
    assert dict(zip(decision.slates, decision.probabilities, strict=True)) == pytest.approx(
        {(0, 1): 0.5, (1, 0): 0.5}
    )
    (report,) = decision.constraints
    assert (report.limit, report.expected_use, report.dual) == pytest.approx((0.5, 0.5, 0.1))
    assert report.met


def test_exploration_keeps_the_count_of_the_whole_policy() -> None:
    # A uniform slate has the first ad first once in three: so may (0.5 − 0.3/3)/0.7 of the mixture.
    first = Constraint("first", Relation.AT_MOST, 0.5, position_weights=(1.0, 0.0))
    decision = decide(opportunity([0.6, 0.4, 0.1], (first,), [[1.0, 0.0, 0.0]]), ratio=0.3)
    assert decision.constraints[0].expected_use == pytest.approx(0.5)
    mixture = dict(zip(decision.slates, decision.probabilities, strict=True))
    assert mixture[0, 1] == pytest.approx(0.4 / 0.7)


def test_a_share_is_of_the_weights_of_the_positions() -> None:
    half = Constraint("new", Relation.AT_LEAST, 0.5, Basis.SHARE_OF_ATTENTION, position_weights=(1.0, 1.0))
    (report,) = decide(opportunity([0.6, 0.4, 0.1], (half,), [[0.0, 0.0, 1.0]])).constraints
    assert (report.limit, report.expected_use) == pytest.approx((1.0, 1.0))


def test_weights_that_are_the_attention_change_nothing() -> None:
    by_attention = Constraint("ab", Relation.AT_MOST, 0.9)
    by_position = replace(by_attention, position_weights=tuple(ATTENTION.tolist()))
    weights = [[1.0, 0.3, 0.0]]
    fast, slow = (
        decide(opportunity([0.6, 0.4, 0.1], (c,), weights), 0.1) for c in (by_attention, by_position)
    )
    assert slow.expected_objective == pytest.approx(fast.expected_objective)
    assert slow.constraints[0].expected_use == pytest.approx(fast.constraints[0].expected_use)


@pytest.mark.parametrize("seed", range(30))
def test_no_mixture_of_all_slates_is_worth_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, ratio = 4, 0.2
    curve = tuple(rng.integers(-1, 3, 2).astype(float).tolist())
    limits = (
        Constraint("a", Relation.AT_MOST, float(rng.uniform(0.3, 1.0))),
        Constraint("b", Relation.AT_LEAST, float(rng.uniform(-0.5, 0.8)), position_weights=curve),
    )
    ctr, weights = rng.random(n), rng.random((2, n))
    decision = decide(opportunity(ctr.tolist(), limits, weights.tolist()), ratio)
    slates = np.array(list(permutations(range(n), 2)))
    use = np.stack([weights[0, slates] @ ATTENTION, weights[1, slates] @ np.array(curve)])
    served = (1 - ratio) * use + ratio * use.mean(axis=1, keepdims=True)
    worth = ctr[slates] @ ATTENTION
    best = linprog(
        -worth,
        A_ub=served * np.array([[1.0], [-1.0]]),
        b_ub=[limits[0].limit, -limits[1].limit],
        A_eq=np.ones((1, len(slates))),
        b_eq=[1.0],
    )
    assert decision.solver_status == ("optimal" if best.status == 0 else "infeasible")
    if best.status == 0:
        assert decision.expected_objective == pytest.approx(-best.fun)
        assert all(report.met for report in decision.constraints)


def test_a_batch_answers_them_as_single_requests_do() -> None:
    first = Constraint("first", Relation.AT_MOST, 0.5, position_weights=(1.0, 0.0))
    plain = Constraint("first", Relation.AT_MOST, 0.5)
    asked = [
        opportunity([0.6, 0.4, 0.1], (c,), [[1.0, 0.0, 0.0]], request_id=name)
        for name, c in (("a", first), ("b", plain), ("c", first))
    ]
    together = rank_many(asked, SNAPSHOT, PipelineSettings(0.1))
    for request, answer in zip(asked, together, strict=True):
        alone = decide(request, 0.1)
        assert isinstance(answer, Decision)
        assert replace(answer, created_at=0.0) == replace(alone, created_at=0.0, stage_seconds={})


def test_caps_and_pins_hold_in_every_slate_that_is_drawn() -> None:
    # ad0 and ad1 are of one group, of which a slate may hold one; ad3 is always second. On average the first
    # ad is looked at half of the time.
    half = Constraint("first", Relation.AT_MOST, 0.5)
    rules = SlateRules((0, 0, 1, 1), (1, 2), (FREE, 3))
    ruled = {"rules": rules, "mode": Mode(no_exploration=True)}
    asked = [
        opportunity([0.6, 0.4, 0.3, 0.1], (half,), [[1.0, 0.0, 0.0, 0.0]], request_id=f"r{i}", **ruled)
        for i in range(60)
    ]
    decisions = [decide(request, ratio=0.2) for request in asked]
    assert {tuple(ad.candidate_id for ad in d.shown) for d in decisions} == {("ad0", "ad3"), ("ad1", "ad3")}
    assert decisions[0].expected_objective == pytest.approx(0.5 * 0.6 + 0.5 * 0.4 + 0.5 * 0.1)
    assert decisions[0].exploration_ratio == 0.0
    for alone, answer in zip(decisions, rank_many(asked, SNAPSHOT, PipelineSettings(0.2)), strict=True):
        assert isinstance(answer, Decision)
        assert replace(answer, created_at=0.0) == replace(alone, created_at=0.0, stage_seconds={})


def test_rules_and_random_slates_exclude_each_other() -> None:
    with pytest.raises(InvalidInputError, match=r"mode\.no_exploration = False"):
        opportunity([0.6, 0.4], (), [], rules=SlateRules(pinned=(1, 0)))


def test_rules_and_position_weights_exclude_each_other() -> None:
    first = Constraint("first", Relation.AT_MOST, 0.5, position_weights=(1.0, 0.0))
    rules = {"rules": SlateRules(pinned=(1, 0)), "mode": Mode(no_exploration=True)}
    with pytest.raises(InvalidInputError, match=r"constraints\[first\].position_weights = \[1.0, 0.0\]"):
        opportunity([0.6, 0.4], (first,), [[1.0, 0.0]], **rules)


def test_one_that_the_solver_refuses_fails_alone_in_a_batch() -> None:
    tiny = Constraint("tiny", Relation.AT_MOST, 0.5, position_weights=(1e-200, 0.0))
    fine = replace(tiny, position_weights=(1.0, 0.0))
    asked = [
        opportunity([0.6, 0.4], (c,), [[1.0, 0.0]], request_id=c.name + str(i))
        for i, c in enumerate((fine, tiny))
    ]
    good, bad = rank_many(asked, SNAPSHOT, PipelineSettings(0.0))
    assert isinstance(good, Decision)
    assert isinstance(bad, InvalidInputError)
    assert bad.field == "weights"


def test_more_weights_than_a_request_may_bring_are_refused() -> None:
    n, k = 2000, 300
    plain = opportunity([0.5] * n, (), [], num_positions=k, attention=np.ones(k))
    everywhere = Constraint("top", Relation.AT_MOST, 1.0, position_weights=(1.0,) * k)
    with pytest.raises(InvalidInputError, match=r"position_weights = 600000: .* must not exceed"):
        replace(plain, constraints=(everywhere,), constraint_weights=np.ones((1, n)))
    assert n * k > MAX_POSITIONED_SIZE
