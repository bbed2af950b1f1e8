from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.sparse import csr_array
from scipy.special import logit

from ranker.scoring.fm import (
    FactorizationMachine,
    Objective,
    Penalty,
    constant_machine,
    fit_machine,
    log_loss,
    pack,
)


def test_the_logit_of_a_small_machine_by_hand() -> None:
    machine = FactorizationMachine(
        0.5, np.array([1.0, -2.0, 3.0]), np.array([[1.0, 2.0], [0.0, 1.0], [-1.0, 1.0]])
    )
    # Linear: 0.5 + 2·1 − 3·2 + 0·3 = −3.5. One pair: ⟨(1,2), (0,1)⟩ · 2 · 3 = 12.
    assert machine.logits(csr_array(np.array([[2.0, 3.0, 0.0]]))).tolist() == [8.5]


def test_the_pairs_sum_equals_the_double_loop() -> None:
    rng = np.random.default_rng(0)
    machine = FactorizationMachine(0.1, rng.normal(size=6), rng.normal(size=(6, 3)))
    rows = rng.normal(size=(5, 6)) * (rng.random((5, 6)) < 0.6)
    expected = [
        0.1
        + row @ machine.weights
        + sum(machine.factors[i] @ machine.factors[j] * row[i] * row[j] for j in range(6) for i in range(j))
        for row in rows
    ]
    np.testing.assert_allclose(machine.logits(csr_array(rows)), expected, rtol=1e-12)


def test_the_loss_by_hand_and_far_out() -> None:
    losses = log_loss(np.array([0.0, np.log(3.0), 800.0, -800.0]), np.array([1.0, 0.0, 1.0, 1.0]))
    np.testing.assert_allclose(losses, [np.log(2.0), np.log(4.0), 0.0, 800.0])


def test_the_loss_of_clicks_that_may_still_come_by_hand() -> None:
    # p = 3/4, half of the clicks have come: no click by now has chance 1 − 3/8, and a click weighs as before.
    logits, shares = np.full(2, np.log(3.0)), np.full(2, 0.5)
    losses = log_loss(logits, np.array([0.0, 1.0]), shares)
    np.testing.assert_allclose(losses, [-np.log(5 / 8), -np.log(3 / 4)])
    far, all_come = np.array([700.0, 700.0, -800.0]), np.array([1.0, 0.5, 0.5])
    np.testing.assert_allclose(log_loss(far, np.zeros(3), all_come), [700.0, np.log(2.0), 0.0], rtol=1e-6)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("num_factors", [0, 3])
def test_the_gradient_equals_finite_differences(num_factors: int, late: bool) -> None:
    rng = np.random.default_rng(1)
    features = csr_array(rng.normal(size=(20, 5)) * (rng.random((20, 5)) < 0.7))
    clicks = (rng.random(20) < 0.4).astype(np.float64)
    shares = rng.random(20) if late else None
    objective = Objective(features, clicks, Penalty(0.7, 1.9), num_factors, shares)
    at = pack(FactorizationMachine(0.3, rng.normal(size=5), rng.normal(size=(5, num_factors))))
    numeric = approx_fprime(at, lambda p: objective(p)[0], 1e-7)
    # Forward differences of a loss around 1 with curvature around 1 err by about 1e-7.
    np.testing.assert_allclose(objective(at)[1], numeric, atol=2e-6)


def test_without_penalty_one_indicator_learns_the_log_odds() -> None:
    features = csr_array(np.repeat([[0.0], [1.0]], 20, axis=0))
    clicks = np.array([1.0] * 5 + [0.0] * 15 + [1.0] * 12 + [0.0] * 8)
    fit = fit_machine(features, clicks, Penalty(0.0, 0.0), constant_machine(clicks, 1, 0, seed=0))
    assert fit.converged
    assert fit.machine.bias == pytest.approx(logit(0.25), abs=1e-3)
    assert fit.machine.weights[0] == pytest.approx(logit(0.6) - logit(0.25), abs=1e-3)


def test_a_strong_penalty_leaves_the_base_rate() -> None:
    rng = np.random.default_rng(2)
    features = csr_array(rng.normal(size=(200, 10)))
    clicks = (np.arange(200) < 6).astype(np.float64)
    start = constant_machine(clicks, 10, 2, seed=0)
    fit = fit_machine(features, clicks, Penalty(1e6, 1e6), start)
    np.testing.assert_allclose(fit.machine.logits(features), logit(0.03), atol=1e-3)


def test_factors_learn_what_weights_cannot() -> None:
    # Exclusive or: each indicator alone has no effect.
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2, (2000, 2))
    features = csr_array(np.column_stack([bits, 1 - bits]).astype(np.float64))
    clicks = (rng.random(2000) < np.where(bits[:, 0] == bits[:, 1], 0.1, 0.6)).astype(np.float64)
    logistic = fit_machine(
        features, clicks, Penalty(1.0, 0.0), constant_machine(clicks, 4, 0, seed=0)
    ).machine
    start = replace(logistic, factors=constant_machine(clicks, 4, 2, seed=0).factors)
    machine = fit_machine(features, clicks, Penalty(1.0, 0.1), start).machine
    gain = (
        log_loss(logistic.logits(features), clicks).mean() - log_loss(machine.logits(features), clicks).mean()
    )
    # The entropy of the mean rate 0.35 minus the mean entropy of 0.1 and 0.6: 0.647 − (0.325 + 0.673) / 2.
    assert gain == pytest.approx(0.148, abs=0.03)
