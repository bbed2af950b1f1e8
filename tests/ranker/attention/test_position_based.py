from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from benchmarks.attention_world import World, default_world, randomised, static
from ranker.attention.click_log import ClickLog, to_log
from ranker.attention.counts import Counts, aggregate
from ranker.attention.identification import NotIdentifiedError
from ranker.attention.position_based import (
    FitSettings,
    PositionBased,
    fit_position_based,
    maximise,
    position_based_curve,
)
from ranker.attention.position_based_kernels import best_attractiveness, em_step, log_likelihood
from ranker.errors import InvalidInputError


def cells_of(counts: Counts) -> tuple[np.ndarray, ...]:
    return counts.starts, counts.position, counts.impressions, counts.clicks


def random_counts(seed: int, num_items: int = 5, k: int = 3) -> Counts:
    """Every item at every position, at least one click and one skip in each cell."""
    rng = np.random.default_rng(seed)
    impressions = rng.integers(4, 60, num_items * k).astype(float)
    clicks = np.clip(rng.binomial(impressions.astype(int), 0.3), 1, impressions - 1).astype(float)
    return Counts(np.arange(num_items + 1) * k, np.tile(np.arange(k), num_items), impressions, clicks, k)


def test_two_items_at_two_positions_by_hand(swapped: ClickLog) -> None:
    # CTRs .4 .2 / .2 .1 are the product (1, 1/2) × (.4, .2): the likelihood's maximum is that product.
    model = fit_position_based(swapped)
    assert model.converged
    np.testing.assert_allclose(model.attention, [1, 0.5], atol=1e-6)
    np.testing.assert_allclose(model.attractiveness, [0.4, 0.2], atol=1e-6)


def test_the_interval_of_one_item_is_that_of_a_ratio_of_rates() -> None:
    # One item: α₁ − α₀ = log ĉ₁/n₁ − log ĉ₀/n₀, variance Σ (1 − p)/c = .6/40 + .8/20 = .055.
    counts = Counts(np.array([0, 2]), np.array([0, 1]), np.full(2, 100.0), np.array([40.0, 20.0]), 2)
    curve = position_based_curve(counts, FitSettings())
    reach = 1.959964 * np.sqrt(0.055)
    np.testing.assert_allclose(curve.low, [1, 0.5 * np.exp(-reach)], rtol=1e-5)
    np.testing.assert_allclose(curve.high, [1, 0.5 * np.exp(reach)], rtol=1e-5)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_likelihood_never_falls_over_em_steps_and_never_passes_the_maximum(seed: int) -> None:
    counts = random_counts(seed)
    cells = cells_of(counts)
    attention, gamma = np.full(3, 0.7), np.full(5, 0.5)
    values = [log_likelihood(cells, attention, gamma)]
    for _ in range(30):
        em_step(cells, attention, gamma)
        values.append(log_likelihood(cells, attention, gamma))
    assert (np.diff(values) >= -1e-9).all()
    assert values[-1] <= maximise(counts, FitSettings()).log_likelihood + 1e-7


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_newton_finds_the_maximum_that_a_general_optimiser_finds(seed: int) -> None:
    counts = random_counts(seed)

    def negative(theta: np.ndarray) -> float:
        p = np.minimum(np.exp(theta[counts.position] + theta[3 + counts.item]), 1 - 1e-12)
        skips = counts.impressions - counts.clicks
        return -float((counts.clicks * np.log(p) + skips * np.log1p(-p)).sum())

    bounds = [(-9.0, 0.0)] * 8
    other = minimize(negative, np.full(8, -1.0), bounds=bounds, method="L-BFGS-B", tol=1e-12)
    model = maximise(counts, FitSettings())
    assert model.log_likelihood == pytest.approx(-other.fun, abs=1e-5)
    products = model.attention[counts.position] * model.attractiveness[counts.item]
    rivals = np.exp(other.x[counts.position] + other.x[3 + counts.item])
    np.testing.assert_allclose(products, rivals, atol=1e-3)


def test_attractiveness_solves_its_score_and_stays_at_one_where_it_would_pass_it() -> None:
    # Item 0: 30 of 100 at a = 1, 10 of 100 at a = .5. Item 1: all clicked at a = .5, which asks for γ > 1.
    starts, position = np.array([0, 2, 3]), np.array([0, 1, 1])
    cells = (starts, position, np.array([100.0, 100.0, 4.0]), np.array([30.0, 10.0, 4.0]))
    gamma = np.full(2, 0.5)
    best_attractiveness(cells, np.array([1.0, 0.5]), gamma, (0.0, 0.0))
    g = gamma[0]
    assert 40 - 70 * g / (1 - g) - 90 * 0.5 * g / (1 - 0.5 * g) == pytest.approx(0, abs=1e-9)
    assert gamma[1] == 1.0


def test_recovers_the_curve_of_a_shuffled_log_within_its_error() -> None:
    # 60,000 rows of mean CTR .27·(.25..1): c ≥ 680 clicks a position, so sd(log a) ≤ √(1/680 + 1/2700) < .044
    # and sd(a) < .02 at each of five positions; |error| < 4.5 sd holds with probability > 1 − 5·1e-5.
    world = default_world(np.random.default_rng(3))
    log = to_log(randomised(world, 10_000, np.random.default_rng(4)))
    curve = position_based_curve(aggregate(log), FitSettings())
    deviation = np.log(curve.high / curve.low)[1:] / (2 * 1.959964)
    assert (deviation < 0.05).all()
    assert (np.abs(np.log(curve.attention / world.attention))[1:] < 4.5 * deviation).all()


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    # 200 logs × 3 positions: 600 trials of .95 (dependent at most within a log, so at worst 200 independent):
    # sd ≤ √(.95·.05/200) = .0154; 4 sd below .95 is .888, above it 1.
    rng = np.random.default_rng(11)
    world = World(np.array([1.0, 0.6, 0.4, 0.2]), rng.uniform(0.1, 0.5, (5, 5)))
    inside = []
    for _ in range(200):
        curve = position_based_curve(aggregate(to_log(randomised(world, 1500, rng))), FitSettings())
        inside.append((curve.low <= world.attention)[1:] & (world.attention <= curve.high)[1:])
    assert 0.888 < np.mean(inside) < 0.995


def test_a_static_log_is_refused_with_what_would_help() -> None:
    world = default_world(np.random.default_rng(5))
    log = to_log(static(world, 2000, np.random.default_rng(6)))
    with pytest.raises(
        NotIdentifiedError, match=r"0 \| 1 \| 2 \| 3 \| 4 \| 5.*Swap the items of positions 0 and 1"
    ):
        fit_position_based(log)


def test_unseen_items_are_predicted_at_the_mean_and_rare_ones_are_drawn_to_it(swapped: ClickLog) -> None:
    # Mean attractiveness: 90 clicks of 200·1 + 200·½ = 300 attended impressions.
    model = fit_position_based(swapped, FitSettings(prior_impressions=10), num_items=3)
    assert model.attractiveness[2] == pytest.approx(0.3)
    assert 0.2 < model.attractiveness[1] < 0.21
    np.testing.assert_allclose(model.attention, [1, 0.5], atol=1e-6)
    np.testing.assert_allclose(model.click_probabilities(np.array([[2, -1]])), [[0.3, 0.0]])


def test_a_fit_without_steps_left_says_so() -> None:
    counts = random_counts(1)
    model: PositionBased = maximise(counts, FitSettings(max_steps=1, tolerance=1e-30))
    assert not model.converged
    assert not position_based_curve(counts, FitSettings(max_steps=1, tolerance=1e-30)).converged


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_steps": 0}, "settings.max_steps = 0: must be at least 1"),
        ({"tolerance": 0.0}, "settings.tolerance = 0.0: must lie between 0 and 1"),
        ({"prior_impressions": -1.0}, "settings.prior_impressions = -1.0: must be finite, not negative"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        FitSettings(**wrong)  # type: ignore[arg-type]
