from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.attention_world import BATCH, World, default_world, randomised, thompson_ranked
from ranker.attention.click_log import ClickLog, to_log
from ranker.attention.counts import Counts, aggregate
from ranker.attention.harvest import harvest
from ranker.attention.identification import NotIdentifiedError, pair_clicks
from ranker.attention.randomised import randomised_bucket


def test_pair_clicks_weigh_each_item_alike_at_both_positions() -> None:
    # Item 0: 30 of 300 at 0, 5 of 100 at 1; weights n'/(n + n') = 1/4 and 3/4.
    counts = Counts(np.array([0, 2]), np.array([0, 1]), np.array([300.0, 100.0]), np.array([30.0, 5.0]), 2)
    np.testing.assert_allclose(pair_clicks(counts), [[0, 7.5], [3.75, 0]])


def test_two_positions_are_the_mantel_haenszel_ratio_by_hand() -> None:
    counts = Counts(np.array([0, 2]), np.array([0, 1]), np.array([300.0, 100.0]), np.array([30.0, 5.0]), 2)
    curve = harvest(counts)
    # a₁/a₀ = 3.75/7.5 = (5/100)/(30/300); var log = 1/5 + 1/30 (Poisson)
    np.testing.assert_allclose(curve.attention, [1, 0.5], rtol=1e-6)
    reach = 1.959964 * np.sqrt(1 / 5 + 1 / 30)
    np.testing.assert_allclose(curve.high, [1, 0.5 * np.exp(reach)], rtol=1e-5)


def test_two_items_at_two_positions_by_hand(swapped: ClickLog) -> None:
    np.testing.assert_allclose(harvest(aggregate(swapped)).attention, [1, 0.5], rtol=1e-6)


def test_the_adjacent_chain_multiplies_the_ratios_of_neighbours() -> None:
    position = np.tile(np.arange(3), 2)
    impressions, clicks = np.full(6, 100.0), np.array([40.0, 30.0, 9.0, 20.0, 11.0, 8.0])
    curve = harvest(Counts(np.array([0, 3, 6]), position, impressions, clicks, 3), span=1)
    np.testing.assert_allclose(curve.attention, [1, 41 / 60, 41 / 60 * 17 / 41], rtol=1e-6)


def test_pairs_of_positions_do_not_share_what_their_items_are_worth() -> None:
    # Good items move between 0 and 5, poor ones between 1 and 2: 1·6 = 2·3 must not tie them together.
    cells = [(0, 0, 0.8), (0, 5, 0.08), (1, 1, 0.08), (1, 2, 0.06)]
    cells += [(2, j, 0.2 * a) for j, a in enumerate([1.0, 0.8, 0.6, 0.4, 0.2, 0.1])]
    item, position, ctr = (np.array(column) for column in zip(*cells, strict=True))
    counts = Counts(np.searchsorted(item, np.arange(4)), position, np.full(10, 1e4), 1e4 * ctr, 6)
    np.testing.assert_allclose(harvest(counts).attention, [1, 0.8, 0.6, 0.4, 0.2, 0.1], rtol=1e-6)


def test_rare_items_do_not_bias_the_curve() -> None:
    # 8 impressions an item at CTRs up to .9: 40,000 rows, sd(a) ≈ .012; a mean over 30 logs has .0022.
    rng = np.random.default_rng(8)
    truth = np.array([1.0, 0.7, 0.4])
    curves = []
    for _ in range(30):
        world = World(truth, rng.uniform(0.3, 0.9, (600, 3)))
        curves.append(harvest(aggregate(to_log(randomised(world, 4800, rng)))).attention)
    assert np.abs(np.mean(curves, axis=0) - truth).max() < 4.5 * 0.0022


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    # As in test_position_based; Poisson variances err to the wide side, so only the lower bound is sharp.
    rng = np.random.default_rng(12)
    world = World(np.array([1.0, 0.6, 0.4, 0.2]), rng.uniform(0.1, 0.5, (5, 5)))
    for span in (None, 1):
        inside = []
        for _ in range(200):
            curve = harvest(aggregate(to_log(randomised(world, 1500, rng))), span=span)
            inside.append((curve.low <= world.attention)[1:] & (world.attention <= curve.high)[1:])
        assert np.mean(inside) > 0.888


def test_a_learning_ranker_biases_the_plain_answer_but_not_the_one_by_version() -> None:
    # The error by version has the sd of its interval; the plain interval leaves the truth out.
    rng = np.random.default_rng(9)
    world = default_world(rng)
    log = to_log(thompson_ranked(world, 60_000, rng))
    version = log.session // BATCH
    by_version = replace(log, item=log.item * (int(version.max()) + 1) + version)
    plain, fair = harvest(aggregate(log)), harvest(aggregate(by_version))
    deviation = np.log(fair.high / fair.low)[1:] / (2 * 1.959964)
    assert (np.abs(np.log(fair.attention / world.attention))[1:] < 4.5 * deviation).all()
    assert (plain.low > world.attention)[1:].any()


def test_positions_that_are_linked_only_by_far_pairs_refuse_the_chain() -> None:
    # One item at 0 and 2, another at 0 and 1: all pairs compare all, neighbours 1 and 2 never meet.
    item, position = np.array([0, 0, 1, 1]), np.array([0, 2, 0, 1])
    counts = Counts(np.searchsorted(item, np.arange(3)), position, np.full(4, 50.0), np.full(4, 10.0), 3)
    assert harvest(counts).attention.shape == (3,)
    with pytest.raises(NotIdentifiedError, match=r"0, 1 \| 2"):
        harvest(counts, span=1)


def test_the_randomised_bucket_is_the_ratio_of_click_rates_by_hand(swapped: ClickLog) -> None:
    curve = randomised_bucket(aggregate(swapped))
    np.testing.assert_allclose(curve.attention, [1, 0.5], rtol=1e-12)
    reach = 1.959964 * np.sqrt(0.7 / 60 + 0.85 / 30)
    np.testing.assert_allclose(curve.low, [1, 0.5 * np.exp(-reach)], rtol=1e-5)


def test_a_randomised_bucket_without_a_click_at_a_position_is_refused(swapped: ClickLog) -> None:
    counts = aggregate(replace(swapped, click=swapped.click & (swapped.position == 0)))
    with pytest.raises(NotIdentifiedError, match=r"clicks\[position 1\] = 0: not identifiable"):
        randomised_bucket(counts)
