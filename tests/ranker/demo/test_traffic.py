"""Requests, rounds and what is read back, without a server."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.demo.census import creative_request, draw_people, shown_class
from ranker.demo.fixtures import BRAND, CATEGORY, read_census, read_items, read_log
from ranker.demo.merchandising import (
    CONSTRAINTS,
    LARGE_CATEGORY,
    NEW_BRANDS,
    constraint_weights,
    item_id,
    item_number,
    slate_request,
)
from ranker.demo.traffic import round_sizes
from ranker.slate import Creative


def test_a_shop_request_asks_for_three_of_all_items() -> None:
    log = read_log("random")
    row = int(np.argmax(log.affinity.sum(axis=1)))
    request = slate_request(log, row)
    assert request.num_positions == 3
    assert len(request.candidates.ids) == 80
    np.testing.assert_array_equal(request.context.categorical, log.users[row])
    np.testing.assert_array_equal(request.candidates.numeric[:, 1], log.affinity[row])
    assert request.mode.no_default_reward


def test_the_limits_weigh_items_by_brand_category_and_price() -> None:
    items, weights = read_items(), constraint_weights()
    assert weights.shape == (len(CONSTRAINTS), 80)
    for item in range(80):
        assert weights[0, item] == (items.levels[BRAND][item] in NEW_BRANDS)
        assert weights[1, item] == (items.levels[CATEGORY][item] == LARGE_CATEGORY)
        assert weights[2, item] == items.price[item]


def test_an_item_is_found_again_by_its_candidate_id() -> None:
    assert [item_number(item_id(item)) for item in range(80)] == list(range(80))


def test_a_census_request_brings_its_score_and_one_ad() -> None:
    census = read_census()
    request = creative_request(census, 17, "adult-17")
    assert request.candidates.ctr is not None
    assert request.candidates.creative_space_ids == ("adult",)
    # Id 0 is kept for values that the vocabulary lacks.
    np.testing.assert_array_equal(request.context.categorical, census.codes[17] + 1)


def test_the_shown_class_is_read_from_the_creative() -> None:
    creative = Creative("adult", {"income": ">50K"}, 0.5, 0, 0.02, "")
    assert shown_class(creative) == 1


def test_people_are_drawn_once_each() -> None:
    people = draw_people(read_census(), 5000, np.random.default_rng(1))
    assert len(set(people.tolist())) == 5000


@pytest.mark.parametrize("number", [100, 300, 777, 1000, 5000, 10_000])
def test_rounds_cover_every_request_and_let_the_learner_work_in_between(number: int) -> None:
    sizes = round_sizes(number)
    assert sum(sizes) == number
    assert len(sizes) >= 2
    assert min(sizes) >= min(250, number // 2)
