from itertools import permutations

import numpy as np

from ranker.simulation.auction import click_prices, pure_auction, with_reserve
from ranker.simulation.scenario import Pricing


def test_three_bidders_of_edelman_ostrovsky_and_schwarz():
    # 200 and 100 clicks an hour, values 10, 4, 2: GSP earns 200·4 + 100·2, VCG 600 + 200.
    bids, quality, attention = np.array([[10.0, 4.0]]), np.ones((1, 2)), np.array([1.0, 0.5])
    clicks, runner_up = np.array([200.0, 100.0]), np.array([2.0])
    gsp = click_prices(Pricing.GSP, bids, quality, attention, runner_up)
    vcg = click_prices(Pricing.VCG, bids, quality, attention, runner_up)
    assert (gsp * clicks).tolist() == [[800.0, 200.0]]
    assert (vcg * clicks).tolist() == [[600.0, 200.0]]
    assert (click_prices(Pricing.FIRST_PRICE, bids, quality, attention, runner_up) == bids).all()


def test_vcg_charges_the_harm_done_to_the_others():
    rng = np.random.default_rng(0)
    for _ in range(50):
        n, k = 5, 3
        bids, quality = rng.uniform(0.1, 3, n), rng.uniform(0.05, 0.5, n)
        attention = np.sort(rng.uniform(0.1, 1, k))[::-1]
        slate = pure_auction(bids[None], quality[None], k)[0]
        left = np.delete(bids * quality, slate).max()
        prices = click_prices(
            Pricing.VCG, bids[None, slate], quality[None, slate], attention, np.array([left])
        )[0]
        for j, ad in enumerate(slate):
            others_with = sum(attention[i] * (bids * quality)[slate[i]] for i in range(k) if i != j)
            harm = best_welfare(np.delete(bids * quality, ad), attention) - others_with
            np.testing.assert_allclose(prices[j] * quality[ad] * attention[j], harm, rtol=1e-9)


def best_welfare(scores, attention):
    return max(
        np.dot(attention, scores[list(order)]) for order in permutations(range(len(scores)), len(attention))
    )


def test_gsp_is_the_least_bid_that_keeps_the_position():
    rng = np.random.default_rng(1)
    bids, quality, k = rng.uniform(0.1, 3, (40, 6)), rng.uniform(0.05, 0.5, (40, 6)), 3
    slates = pure_auction(bids, quality, k)
    shown, shown_quality = (np.take_along_axis(each, slates, axis=1) for each in (bids, quality))
    scores = bids * quality
    np.put_along_axis(scores, slates, 0.0, axis=1)
    prices = click_prices(Pricing.GSP, shown, shown_quality, np.array([1, 0.6, 0.3]), scores.max(axis=1))
    for b, j in np.ndindex(prices.shape):
        for change, keeps in ((1 + 1e-9, True), (1 - 1e-9, False)):
            lower = bids[b].copy()
            lower[slates[b, j]] = prices[b, j] * change
            assert (pure_auction(lower[None], quality[b : b + 1], k)[0, j] == slates[b, j]) == keeps


def test_truth_is_a_best_answer_under_vcg():
    rng = np.random.default_rng(2)
    attention = np.array([1.0, 0.7, 0.4])
    for _ in range(30):
        values, quality = rng.uniform(0.1, 3, 5), rng.uniform(0.05, 0.5, 5)
        honest = gain(values, values, quality, attention)
        for bid in rng.uniform(0, 4, 20):
            bids = values.copy()
            bids[0] = bid
            assert gain(bids, values, quality, attention) <= honest + 1e-12


def gain(bids, values, quality, attention):
    """What bidder 0 gains."""
    slate = pure_auction(bids[None], quality[None], len(attention))[0]
    if 0 not in slate:
        return 0.0
    j = slate.tolist().index(0)
    left = np.delete(bids * quality, slate).max()
    price = click_prices(Pricing.VCG, bids[None, slate], quality[None, slate], attention, np.array([left]))
    return attention[j] * quality[0] * (values[0] - price[0, j])


def test_no_price_exceeds_its_bid_whatever_the_order():
    rng = np.random.default_rng(3)
    bids, quality = rng.uniform(0, 3, (100, 4)), rng.uniform(0, 0.5, (100, 4))
    attention, runner_up = np.array([1, 0.6, 0.3, 0.2]), rng.uniform(0, 1, 100)
    for pricing in Pricing:
        prices = with_reserve(click_prices(pricing, bids, quality, attention, runner_up), bids, 0.5)
        assert (prices <= bids).all()
        assert (prices[bids >= 0.5] >= 0.5).all()
