import numpy as np
import pytest
from scipy.special import expit, logit

from ranker.errors import InvalidInputError
from ranker.simulation.conversions import delay_seconds
from ranker.simulation.fitting import (
    daily_drift_scale,
    expected_clicks,
    fit_delays,
    fit_landscape,
    group_logit_scale,
    shrunk_logits,
)


def test_cells_with_many_rows_keep_their_logits_and_small_ones_are_shrunk():
    rng = np.random.default_rng(0)
    truth = np.array([-0.6, 0.0, 0.6, 0.3])
    cell = np.repeat(np.arange(4), [40_000, 40_000, 40_000, 20])
    clicks = (rng.random(len(cell)) < expit(logit(0.2) + truth[cell])).astype(float)
    found, scale = shrunk_logits(cell, clicks, 4)
    base = logit(clicks.mean())
    # Standard error of a logit of 40,000 rows: 1/√(40,000·0.16) = .0125 ; the base moves the truth.
    assert np.abs(found[:3] + base - logit(0.2) - truth[:3]).max() < 4 * 0.0125
    raw = logit((clicks[-20:].sum() + 0.5) / 21) - base
    assert abs(found[3]) < abs(raw)
    assert scale == pytest.approx(np.sqrt(np.mean((truth[:3] + logit(0.2) - base) ** 2)), rel=0.05)


def test_cells_that_differ_by_noise_alone_are_shrunk_to_nothing():
    scales = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        cell = rng.integers(0, 24, 5_000)
        found, scale = shrunk_logits(cell, (rng.random(5_000) < 0.2).astype(float), 24)
        assert (found == 0).all() == (scale == 0)
        scales.append(scale)
    # v = 1/(208·.16) = .03; τ² before it is cut at 0 has mean 0 and deviation v·√(2/24) = .0087: a normal's
    # 90 % point is √(1.28·.0087) = .106.
    assert np.median(scales) < 0.05
    assert np.quantile(scales, 0.9) < 0.15


@pytest.mark.parametrize("truth", [0.0, 0.5])
def test_the_scale_between_groups_is_free_of_sampling_noise(truth):
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(600), 50)
    effect = rng.normal(0, truth, 600)
    rate = 0.2
    clicks = rng.random(len(group)) < expit(logit(rate) + effect[group])
    found = group_logit_scale(group, clicks - clicks.mean(), clicks.mean())
    # 600 groups tell a scale to 1/√(2·600) = 3 %, their 50 rows add a third of the variance; the delta
    # method's curvature is a few per cent. Without an effect the fourth root of the noise is what is left.
    assert found == pytest.approx(truth, abs=0.06 if truth else 0.1)


def test_daily_drift_is_recovered_from_a_random_walk():
    rng = np.random.default_rng(3)
    groups, days, rows, truth = 60, 20, 600, 0.15
    walk = rng.normal(0, truth, (groups, days)).cumsum(axis=1)
    group, day = (each.ravel() for each in np.mgrid[:groups, :days])
    group, day = np.repeat(group, rows), np.repeat(day, rows)
    clicks = rng.random(len(group)) < expit(logit(0.3) + walk[group, day])
    # 1,140 steps: standard error of the variance √(2/1140)·(0.0225 + 2·0.008) = .0016, of the scale .0054.
    assert daily_drift_scale(group, day, clicks.astype(float)) == pytest.approx(truth, abs=4 * 0.0054)


def test_what_says_nothing_about_scale_or_drift_is_refused():
    with pytest.raises(InvalidInputError, match="no two rows"):
        group_logit_scale(np.arange(5), np.ones(5), 0.2)
    with pytest.raises(InvalidInputError, match="two days"):
        daily_drift_scale(np.zeros(10, int), np.arange(10) % 2, np.ones(10))


def test_a_landscape_has_the_quantiles_of_its_histogram():
    flat = fit_landscape("flat", np.arange(101), np.ones(101))
    expected = np.linspace(-0.5, 100.5, 41)
    assert np.abs(np.array(flat.quantiles) - np.maximum(expected, 0)).max() < 1e-3
    late = fit_landscape("late", np.arange(10), np.array([0.0] * 5 + [1.0] * 5))
    assert late.quantiles[0] == 4.5
    assert late.quantiles[-1] == 9.5


def test_a_mixture_of_delays_is_recovered():
    rng = np.random.default_rng(4)
    truth = np.array([0.6, 0.4]), np.array([1.0, 5.0]), np.array([0.5, 0.8])
    minutes = delay_seconds(*truth, rng.random(20_000), rng.random(20_000)) / 60
    found = fit_delays(minutes)
    # Components lie five standard deviations apart: standard errors are near √(.24/n), σ/√(n·w), σ/√(2n·w).
    assert np.array(found.weights) == pytest.approx(truth[0], abs=0.015)
    assert np.array(found.log_means) == pytest.approx(truth[1], abs=0.04)
    assert np.array(found.log_scales) == pytest.approx(truth[2], abs=0.03)


def test_expected_clicks_add_logits():
    assert expected_clicks(0.2, np.array([0.0, 1.0])) == pytest.approx([0.2, expit(logit(0.2) + 1)])
