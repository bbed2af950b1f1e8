"""The reward model: its optimum, its folds, and what it does for the doubly robust estimator."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.estimators import direct_method, dr, dr_terms, ips, mrdr_sample_weights
from ranker.replay.estimators.reward_model import ModelRows, cross_fitted_baselines, fit_reward_model


def _rows(n: int, seed: int) -> tuple[ModelRows, np.ndarray]:
    """Rows of three actions that a uniform policy logged, with the click rates of all actions."""
    rng = np.random.default_rng(seed)
    x, positions, actions = rng.normal(size=(n, 2)), rng.integers(2, size=n), rng.integers(3, size=n)
    z = -1 + x @ [0.8, -0.5] + np.array([0.0, -0.7])[positions]
    rates = 1 / (1 + np.exp(-(z[:, None] + np.array([-0.5, 0.0, 1.0]))))
    rewards = (rng.random(n) < rates[np.arange(n), actions]).astype(float)
    return ModelRows(rewards, actions, positions, x), rates


def test_the_fit_is_where_the_slope_is_zero() -> None:
    rows, _ = _rows(3000, 1)
    model = fit_reward_model(rows, 3, penalty=0.5)
    predicted = model.predict(rows.contexts, rows.positions)[np.arange(3000), rows.actions]
    wrong = predicted - rows.rewards
    assert wrong.sum() == pytest.approx(0, abs=0.05)
    slope = np.bincount(rows.actions, wrong, 3) + 0.5 * model.action_effects
    np.testing.assert_allclose(slope, 0, atol=0.05)


def test_it_finds_the_rates_of_a_long_log() -> None:
    rows, rates = _rows(40_000, 2)
    predicted = fit_reward_model(rows, 3).predict(rows.contexts, rows.positions)
    # Eight effects from 40,000 rows of variance below 1/4: rates are off by about √(8/4/40,000) = 0.7 %.
    assert np.sqrt(np.mean((predicted - rates) ** 2)) < 0.02


def test_a_row_is_never_predicted_by_a_model_that_saw_it() -> None:
    rows, _ = _rows(400, 3)
    target, folds = np.full((400, 3), 1 / 3), np.arange(400) % 2
    logged, _ = cross_fitted_baselines(rows, target, folds)
    changed = ModelRows(
        np.where(folds == 0, 1 - rows.rewards, rows.rewards), rows.actions, rows.positions, rows.contexts
    )
    again, _ = cross_fitted_baselines(changed, target, folds)
    np.testing.assert_array_equal(again[folds == 0], logged[folds == 0])
    assert (again[folds == 1] != logged[folds == 1]).any()


def test_the_baseline_of_the_target_is_the_mean_over_its_actions() -> None:
    rows, _ = _rows(400, 4)
    certain = np.zeros((400, 3))
    certain[np.arange(400), rows.actions] = 1.0
    logged, target = cross_fitted_baselines(rows, certain, np.arange(400) % 4)
    np.testing.assert_array_equal(logged, target)


def test_a_good_model_takes_variance_from_the_doubly_robust_terms() -> None:
    rows, rates = _rows(6000, 5)
    target = np.tile([0.1, 0.2, 0.7], (6000, 1))
    weights = target[np.arange(6000), rows.actions] * 3
    baselines = cross_fitted_baselines(rows, target, np.arange(6000) % 5)
    value = float((target * rates).sum(axis=1).mean())
    terms = dr_terms(rows.rewards, weights, *baselines)
    assert terms.std() < (weights * rows.rewards).std()
    assert dr(rows.rewards, weights, *baselines) == pytest.approx(value, abs=4 * terms.std() / np.sqrt(6000))
    assert direct_method(baselines[1]) == pytest.approx(value, abs=0.03)
    assert ips(rows.rewards, weights) == pytest.approx(value, abs=0.06)


def test_the_weights_of_mrdr_make_a_wrong_model_vary_less() -> None:
    rng = np.random.default_rng(6)
    n = 20_000
    x = rng.normal(size=n)
    chances = np.stack([np.full(n, 0.9), np.full(n, 0.1)], axis=1)
    actions = (rng.random(n) > chances[:, 0]).astype(np.int64)
    rates = np.where(actions == 1, 0.2 + 0.6 * (x > 1), 0.5)
    rewards = (rng.random(n) < rates).astype(float)
    target = np.tile([0.0, 1.0], (n, 1))
    propensities = chances[np.arange(n), actions]
    weights = target[np.arange(n), actions] / propensities
    # No context, one effect an action less than needed: the model cannot fit both actions.
    rows = ModelRows(rewards, np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros((n, 1)))
    one = np.ones((n, 1))
    folds = np.arange(n) % 2
    plain = cross_fitted_baselines(rows, one, folds)
    robust = cross_fitted_baselines(rows, one, folds, mrdr_sample_weights(weights, propensities))
    assert dr_terms(rewards, weights, *robust).std() < dr_terms(rewards, weights, *plain).std()


def test_a_reward_beyond_one_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"rewards\[1\] = 2.0"):
        ModelRows(np.array([0.0, 2.0]), np.zeros(2, int), np.zeros(2, int), np.zeros((2, 1)))


def test_one_fold_is_no_cross_fitting() -> None:
    rows, _ = _rows(50, 7)
    with pytest.raises(InvalidInputError, match="folds"):
        cross_fitted_baselines(rows, np.full((50, 3), 1 / 3), np.zeros(50, int))


def test_sample_weights_of_nothing_are_refused() -> None:
    rows, _ = _rows(50, 8)
    with pytest.raises(InvalidInputError, match="sample_weights"):
        fit_reward_model(rows, 3, np.zeros(50))
