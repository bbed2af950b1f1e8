from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.feasible import FeasibleSet
from bandit.propensity import (
    element_propensities,
    monte_carlo_propensities,
    pool_propensities,
    propensity,
)
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from bandit.posterior import Posterior
    from bandit.space import CreativeCatalogue


class Four:
    """A ballot of four draws."""

    winners = (0, 2, 2, 2)

    def winner(self, draw: int) -> int:
        return self.winners[draw]

    def votes(self, creative: int) -> int:
        return self.winners.count(creative)


def test_votes_and_floor_by_hand() -> None:
    expected = [0.7 / 4 + 0.1, 0.1, 0.7 * 3 / 4 + 0.1]
    assert pool_propensities(Four(), 4, 0.3, 3) == pytest.approx(expected)
    assert [propensity(Four(), creative, 4, 0.3, 3) for creative in range(3)] == pytest.approx(expected)


def test_elements_by_hand() -> None:
    # Creatives of two slots with two elements, (0, 0) forbidden: numbers 0, 1, 2 are (0, 1), (1, 0), (1, 1).
    feasible = FeasibleSet((2, 2), ((0, 0),))
    first, second = element_propensities(Four(), 4, 0.3, feasible)
    assert first == pytest.approx([0.7 / 4 + 0.1, 0.7 * 3 / 4 + 0.2])
    assert second == pytest.approx([0.1, 0.7 + 0.2])


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
