from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bandit.fm import Parameters
from bandit.posterior import Posterior
from bandit.residual import GRID_RANGE, GRID_SIZE, QUANTILE, composition_spread, residual_spread

ELEMENTS = np.array(list(product(range(10), range(10, 20), range(20, 25))), np.int32)
"""500 compositions of three slots."""


def one_hot(elements: np.ndarray) -> np.ndarray:
    design = np.zeros((len(elements), int(elements.max()) + 1))
    np.put_along_axis(design, elements, 1.0, axis=1)
    return design


def log_odds(spread: float, noise: float) -> np.ndarray:
    rng = np.random.default_rng(5)
    effects = rng.normal(0.0, 0.3, 25)
    return -3.0 + one_hot(ELEMENTS) @ effects + rng.normal(0.0, 1.0, 500) * np.hypot(spread, noise)


def test_quantile_is_that_of_the_dense_normal_model() -> None:
    elements = np.array([[0, 2], [0, 3], [1, 2]], np.int32)
    y, noise, design = np.array([-2.0, -2.5, -1.9]), np.array([0.3, 0.2, 0.4]), one_hot(elements)
    grid = 0.1 * np.geomspace(1.0 / GRID_RANGE, GRID_RANGE, GRID_SIZE)
    common = 9.0 * np.ones((3, 3)) + 0.3**2 * design @ design.T
    mass = np.array(
        [
            multivariate_normal(np.zeros(3), np.diag(tau**2 + noise**2) + common).pdf(y)
            * tau
            / (tau**2 + 0.1**2)
            for tau in grid
        ]
    ).cumsum()
    found = residual_spread(y, noise**-2.0, design, (0.1, 0.3))
    assert found == pytest.approx(np.interp(QUANTILE * mass[-1], mass, grid), rel=1e-9)


def test_spread_of_hardly_known_compositions_is_found_beside_their_elements() -> None:
    # 475 squares of mean 0.05, deviation 0.05 √2: τ² = 0.01 strays by 0.05 √(2/475) = 32 %, τ by 16 %.
    # The 80 % quantile is 0.84 of those above the median: three and 0.84 of them.
    found = residual_spread(log_odds(0.1, 0.2), np.full(500, 25.0), one_hot(ELEMENTS), (0.1, 0.3))
    assert found == pytest.approx(0.1, rel=0.62)


def test_compositions_that_their_elements_explain_get_next_to_no_spread() -> None:
    found = residual_spread(log_odds(0.0, 0.05), np.full(500, 400.0), one_hot(ELEMENTS), (0.1, 0.3))
    assert found < 0.02


def beliefs(evidence: float) -> tuple[Posterior, Posterior]:
    """A first prior, and a belief of that precision that compositions (rows 25 …) are at ±0.5."""
    prior_scale = np.repeat([0.3, 0.1], [25, 500])
    scale = prior_scale.copy()
    scale[25:] = (0.1**-2 + evidence) ** -0.5
    loc = np.zeros(525)
    loc[25:] = np.where(np.arange(500) % 3 == 0, 0.5, -0.5) * evidence * scale[25:] ** 2
    factors = np.zeros((25, 1))
    prior, belief = (
        Posterior(Parameters(np.zeros(()), m, factors), Parameters(np.ones(()), s, factors + 0.1))
        for m, s in ((np.zeros(525), prior_scale), (loc, scale))
    )
    return prior, belief


def test_belief_is_judged_by_its_evidence_whatever_prior_it_was_fitted_under() -> None:
    prior, belief = beliefs(400.0)
    narrow = Posterior(prior.loc, Parameters(np.ones(()), prior.scale.linear / 5.0, prior.scale.factors))
    found = [
        composition_spread(slice(25, 525), ELEMENTS, prior, *pair)
        for pair in ((prior, belief), (narrow, belief.rebased(prior, narrow)))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    # Deviation of ±0.5, one third of them up: 0.5 √(8/9) = 0.47.
    assert found[0] == pytest.approx(0.47, rel=0.1)


def test_spread_stays_without_evidence() -> None:
    prior, belief = beliefs(0.0)
    assert composition_spread(slice(25, 525), ELEMENTS, prior, prior, belief) == 0.1
