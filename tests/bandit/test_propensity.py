from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.propensity import monte_carlo_propensities, pool_propensities
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from bandit.posterior import Posterior
    from bandit.space import CreativeCatalogue


def test_votes_and_floor_by_hand() -> None:
    winners = np.array([0, 2, 2, 2], np.int32)
    assert pool_propensities(winners, 3, 0.3) == pytest.approx([0.7 / 4 + 0.1, 0.1, 0.7 * 3 / 4 + 0.1])


def test_pool_scatters_around_the_monte_carlo_estimate(
    catalogue: CreativeCatalogue, posterior: Posterior
) -> None:
    selector = ThompsonSelector(catalogue, posterior, "v", num_draws=4000, floor=0.0)
    context = {"hour": 0, "site": 3}
    space = selector.index.space("banner")
    rows = np.array(selector.index.context_rows(space.space, context), np.int32)
    estimate = monte_carlo_propensities(posterior, space, rows, 4000, np.random.default_rng(1))
    # Two estimates of π from 4,000 draws each differ by √(2π(1−π)/4,000) ≤ 0.0112: five of those.
    assert selector.propensities("banner", context) == pytest.approx(estimate, abs=0.056)
