from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.errors import CreativeError
from bandit.fm import Parameters
from bandit.insight import ElementInsight, calibration, element_insights, interactions
from bandit.outcomes import Cells
from bandit.posterior import Posterior
from bandit.retirement import RetirementRule, losers, without

if TYPE_CHECKING:
    from bandit.features import FeatureIndex
    from bandit.space import CreativeCatalogue

# Rows: hours 0–2, sites 3–6, pictures 7–8, headlines 9–11, colours 12–13.


def cells(rows: list[list[int]], impressions: list[float], clicks: list[float]) -> Cells:
    return Cells(np.array(rows, np.int32), np.array(impressions), np.array(clicks))


def draws(linear: dict[int, list[float]], factors: dict[int, list[float]], num_draws: int) -> Parameters:
    w, v = np.zeros((num_draws, 14)), np.zeros((num_draws, 14, 1))
    for row, values in linear.items():
        w[:, row] = values
    for row, values in factors.items():
        v[:, row, 0] = values
    return Parameters(np.zeros(num_draws), w, v)


def test_effects_and_chances_by_hand(index: FeatureIndex) -> None:
    # Two draws: `dog` leads `cat` by 2, then trails it by 0.5.
    two = draws({8: [2.0, -0.5]}, {}, 2)
    data = cells([[0, 3, 7, 9, 13], [0, 3, 8, 9, 13]], [30.0, 10.0], [3.0, 2.0])
    cat, dog = element_insights(two, index.space("banner"), data, 0.6)[:2]
    assert (cat.element, cat.num_impressions, cat.num_clicks) == ("cat", 30.0, 3.0)
    assert (dog.element, dog.num_impressions, dog.num_clicks) == ("dog", 10.0, 2.0)
    assert dog.effect == pytest.approx((1.0 - 0.25) / 2)
    assert (cat.best, dog.best) == (0.5, 0.5)
    assert (cat.near_best, dog.near_best) == (0.5, 1.0)
    assert dog.low == pytest.approx(-0.25 + 0.05 * 1.25)


def test_effect_counts_the_company_in_which_a_slot_was_shown(index: FeatureIndex) -> None:
    # ⟨v_dog, v_green⟩ = 3, and green came along with a quarter of the pictures' impressions.
    one = draws({}, {8: [1.5], 13: [2.0]}, 1)
    data = cells([[0, 3, 7, 9, 13], [0, 3, 8, 9, 12]], [10.0, 30.0], [0.0, 0.0])
    cat, dog = element_insights(one, index.space("banner"), data, 0.0)[:2]
    assert dog.effect - cat.effect == pytest.approx(3.0 * 0.25)


def test_interactions_leave_own_effects_out(index: FeatureIndex, catalogue: CreativeCatalogue) -> None:
    posterior = Posterior.prior(catalogue, 2, seed=1)
    table = interactions(posterior, index.space("banner"), 0, 1)
    assert table.shape == (2, 3)
    assert table.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert table.sum(axis=1) == pytest.approx(np.zeros(2), abs=1e-12)


def test_calibration_keeps_every_impression_and_click() -> None:
    data = cells([[0, 3, 7, 9, 13], [1, 3, 8, 9, 12], [2, 3, 8, 9, 12]], [10.0, 30.0, 20.0], [5.0, 10.0, 8.0])
    bins = calibration(draws({0: [1.0], 1: [-1.0]}, {}, 1), data, num_bins=3)
    assert sum(b.num_impressions for b in bins) == 60.0
    assert sum(b.num_impressions * b.observed for b in bins) == pytest.approx(23.0)
    assert [b.predicted for b in bins] == sorted(b.predicted for b in bins)
    assert (
        calibration(
            draws({}, {}, 1),
            cells([], [], []).__class__(np.empty((0, 5), np.int32), np.empty(0), np.empty(0)),
        )
        == []
    )


def insight(slot: str, element: str, impressions: float, near_best: float) -> ElementInsight:
    return ElementInsight(slot, element, impressions, 0.0, 0.0, 0.0, 0.0, 0.0, near_best)


def test_only_sure_and_seen_losers_go_and_two_stay() -> None:
    members = [
        insight("headline", "short", 5000, 0.001),
        insight("headline", "long", 10, 0.001),
        insight("headline", "question", 5000, 0.9),
        insight("colour", "red", 5000, 0.0),
        insight("colour", "green", 5000, 1.0),
    ]
    assert [i.element for i in losers(members, RetirementRule())] == ["short"]
    assert losers(members, RetirementRule(max_probability=0.0005, min_left=1))[0].element == "red"


def test_retired_elements_leave_their_space_with_their_rules(catalogue: CreativeCatalogue) -> None:
    thinned = without(catalogue, {"banner": [insight("picture", "cat", 0, 0)]})
    assert thinned.space("banner").elements["picture"] == ("dog",)
    assert thinned.space("banner").incompatible == ()
    assert thinned.space("text") == catalogue.space("text")
    assert thinned.slots == catalogue.slots
    assert thinned.version != catalogue.version
    assert without(catalogue, {}) == catalogue


@pytest.mark.parametrize(
    ("field", "value"), [("min_impressions", -1.0), ("max_probability", 1.0), ("min_left", 0)]
)
def test_broken_rule_is_our_error(field: str, value: float) -> None:
    with pytest.raises(CreativeError, match=field):
        replace(RetirementRule(), **{field: value})
