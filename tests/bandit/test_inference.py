from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from scipy.optimize import minimize

from bandit.errors import CreativeError
from bandit.fm import Parameters, logits
from bandit.inference import JointPosterior, SviSettings, joint_update, update
from bandit.model import torch_logits
from bandit.outcomes import Cells
from bandit.posterior import Posterior
from bandit.streaming import absorb


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def cells() -> Cells:
    """Two fields of three values, all nine pairs, additive click rates."""
    rows = np.array([[a, 3 + b] for a in range(3) for b in range(3)], np.int32)
    p = 1.0 / (1.0 + np.exp(1.0 - np.add.outer([-0.5, 0.0, 0.5], [-0.3, 0.0, 0.3]).ravel()))
    return Cells(rows, np.full(9, 200.0), np.round(200.0 * p))


@pytest.fixture
def additive() -> Posterior:
    """Factors that are known to be zero: the machine is a logistic regression."""
    return Posterior(
        Parameters(np.zeros(()), np.zeros(6), np.zeros((6, 2))),
        Parameters(np.array(1.0), np.full(6, 0.5), np.full((6, 2), 1e-4)),
    )


def test_torch_logits_equal_numpy_logits() -> None:
    rng = np.random.default_rng(0)
    parameters = Parameters(rng.normal(size=()), rng.normal(size=5), rng.normal(size=(5, 3)))
    rows = np.array([[0, 2, 4], [1, 3, -1]], np.int32)
    weights = {name: torch.tensor(getattr(parameters, name)) for name in ("bias", "linear", "factors")}
    assert torch_logits(weights, torch.tensor(np.where(rows < 0, 5, rows))).numpy() == pytest.approx(
        logits(parameters, rows)
    )


def laplace(cells: Cells, prior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """Mode and precision matrix of the logistic regression on bias and linear weights."""
    design = np.zeros((len(cells.rows), 7))
    design[:, 0] = 1.0
    for column in cells.rows.T:
        design[np.arange(len(cells.rows)), 1 + column] = 1.0
    precision = np.array([prior.scale.bias, *prior.scale.linear]) ** -2.0

    def loss(theta: np.ndarray) -> float:
        z = design @ theta
        return float(
            0.5 * theta @ (precision * theta)
            + cells.num_impressions @ np.logaddexp(0.0, z)
            - cells.num_clicks @ z
        )

    mode = minimize(loss, np.zeros(7), method="BFGS", options={"gtol": 1e-9}).x
    p = 1.0 / (1.0 + np.exp(-design @ mode))
    information = cells.num_impressions * p * (1.0 - p)
    return mode, np.diag(precision) + design.T @ (information[:, None] * design)


def test_without_factors_the_fit_is_the_logistic_posterior(cells: Cells, additive: Posterior) -> None:
    fitted = update(additive, cells, seed=0)
    mode, precision = laplace(cells, additive)
    exact = mode[0] + mode[1:][cells.rows].sum(axis=1)
    design = np.concatenate([np.ones((9, 1)), np.eye(6)[cells.rows].sum(axis=1)], axis=1)
    spread = np.sqrt(np.einsum("ni,ij,nj->n", design, np.linalg.inv(precision), design))
    # Weights trade off against each other along flat directions; the cells' logits do not.
    # One draw a step leaves the fit noisy: half a posterior deviation for logits, a fifth for scales.
    assert np.abs((logits(fitted.loc, cells.rows) - exact) / spread).max() < 0.5
    # The best independent Gaussians have the diagonal of the precision matrix.
    scale = np.array([fitted.scale.bias, *fitted.scale.linear])
    assert scale == pytest.approx(np.diag(precision) ** -0.5, rel=0.2)


def test_fit_agrees_with_the_closed_form_about_the_cells(cells: Cells, additive: Posterior) -> None:
    fitted, streamed = update(additive, cells, seed=0), absorb(additive, cells)
    rates = [1.0 / (1.0 + np.exp(-logits(q.loc, cells.rows))) for q in (fitted, streamed)]
    # Both err far less than a cell's own frequency would: √(p(1−p)/200) ≈ 0.03.
    assert rates[0] == pytest.approx(rates[1], abs=0.015)


def test_rows_without_outcomes_keep_their_belief(additive: Posterior) -> None:
    cells = Cells(np.array([[0, 4], [2, -1]], np.int32), np.full(2, 50.0), np.array([5.0, 40.0]))
    fitted = update(additive, cells, seed=0, settings=SviSettings(steps=50))
    assert np.array_equal(fitted.loc.linear[[1, 3, 5]], additive.loc.linear[[1, 3, 5]])
    assert np.array_equal(fitted.scale.factors[[1, 3, 5]], additive.scale.factors[[1, 3, 5]])
    assert fitted.loc.linear[2] > 0.1 > -0.1 > fitted.loc.linear[0]


def test_fit_is_reproducible_and_leaves_no_traces(cells: Cells, additive: Posterior) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, other = (update(additive, cells, seed=7, settings=SviSettings(steps=20)) for _ in range(2))
    assert np.array_equal(one.loc.linear, other.loc.linear)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(pyro.get_param_store()) == 0


def test_two_batches_know_what_one_knows(cells: Cells, additive: Posterior) -> None:
    half = Cells(cells.rows, cells.num_impressions / 2, cells.num_clicks / 2)
    twice = update(update(additive, half, seed=0), half, seed=1)
    once = update(additive, cells, seed=2)
    # Counting the prior twice, or not at all, would show in the scale of the linear weights.
    assert twice.scale.linear == pytest.approx(once.scale.linear, rel=0.2)
    assert logits(twice.loc, cells.rows) == pytest.approx(logits(once.loc, cells.rows), abs=0.15)


@pytest.mark.parametrize("rank", [None, 7])
def test_joint_fit_finds_the_correlations_of_the_logistic_posterior(
    cells: Cells, additive: Posterior, rank: int | None
) -> None:
    joint = joint_update(additive, cells, rank, seed=0, settings=SviSettings(steps=600, learning_rate=0.02))
    _, precision = laplace(cells, additive)
    exact = np.sqrt(np.diag(np.linalg.inv(precision)))
    marginals = joint.marginals()
    found = np.array([marginals.scale.bias, *marginals.scale.linear])
    independent = np.diag(precision) ** -0.5
    # Bias and weights trade off, so each alone is far less sure than independent Gaussians say.
    assert exact[0] > 4.0 * independent[0]
    assert found[0] > 2.0 * independent[0]
    if rank is None:
        assert found == pytest.approx(exact, rel=0.35)


def test_joint_draws_have_the_joint_covariance() -> None:
    joint = JointPosterior(
        np.arange(7.0), np.array([[1.0], [-1.0], [0.5], [0.0], [0.0], [0.0], [2.0]]), np.full(7, 0.5), 2, 2
    )
    draws = joint.draws(20_000, np.random.default_rng(0))
    assert draws.linear.shape == (20_000, 2)
    assert draws.factors[0].shape == (2, 2)
    # A covariance of −1 from 20,000 draws strays by about √(1 + 1.25²)/141 = 0.011; 5 of those.
    assert np.cov(draws.bias, draws.linear[:, 0])[0, 1] == pytest.approx(-1.0, abs=0.06)
    assert joint.marginals().scale.factors[1, 1] == pytest.approx(np.sqrt(4.25))
    assert joint.marginals().loc.factors.tolist() == [[3.0, 4.0], [5.0, 6.0]]


def test_joint_fit_that_cannot_be_is_refused(cells: Cells, additive: Posterior) -> None:
    with pytest.raises(CreativeError, match="rank = 0"):
        joint_update(additive, cells, 0, seed=0)
    wide = Posterior(
        Parameters(np.zeros(()), np.zeros(1500), np.zeros((1500, 2))),
        Parameters(np.ones(()), np.ones(1500), np.ones((1500, 2))),
    )
    with pytest.raises(CreativeError, match="4501 weights"):
        joint_update(wide, cells, None, seed=0)
