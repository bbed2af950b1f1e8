from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.feasible import FeasibleSet
from bandit.features import FeatureIndex
from bandit.propensity import (
    element_shares,
    line_propensities,
    monte_carlo_propensities,
    upper_envelope,
    vote_shares,
)
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from bandit.posterior import Posterior
    from bandit.space import CreativeCatalogue


class Four:
    """A ballot of four draws."""

    winners = np.array([0, 2, 2, 2])

    def winner(self, draw: int) -> int:
        return int(self.winners[draw])

    def gap(self, _draw: int) -> float:
        return 0.0

    def votes(self, creative: int) -> int:
        return int(np.sum(self.winners == creative))


def test_votes_by_hand() -> None:
    creatives, shares = vote_shares(Four())
    assert creatives.tolist() == [0, 2]
    assert shares.tolist() == [0.25, 0.75]


def test_elements_by_hand() -> None:
    # Creatives of two slots with two elements, (0, 0) forbidden: numbers 0, 1, 2 are (0, 1), (1, 0), (1, 1).
    feasible = FeasibleSet((2, 2), ((0, 0),))
    first, second = element_shares(*vote_shares(Four()), feasible)
    assert first.tolist() == [0.25, 0.75]
    assert second.tolist() == [0.0, 1.0]


def test_envelope_by_hand() -> None:
    # −t, 1 and t − 1 meet at −1 and 2; the flat line at 0 never shows, nor does the second t − 1.
    envelope = upper_envelope(np.array([1.0, 0.0, 0.0, -1.0, -1.0]), np.array([0.0, -1.0, 0.0, 1.0, 1.0]))
    assert envelope == [(1, -np.inf, -1.0), (0, -1.0, 2.0), (3, 2.0, np.inf)]


def test_envelope_is_the_highest_line_everywhere() -> None:
    rng = np.random.default_rng(0)
    start, slope = rng.normal(size=(2, 30))
    for line, low, high in upper_envelope(start, slope):
        for t in np.linspace(max(low, -9.0), min(high, 9.0), 7)[1:-1]:
            assert np.argmax(start + t * slope) == line


def test_lines_estimate_what_draws_do_with_less_noise(
    catalogue: CreativeCatalogue, posterior: Posterior
) -> None:
    index = FeatureIndex(catalogue)
    space, context = index.space("banner"), {"hour": 0, "site": 3}
    rows = np.array(index.context_rows(space.space, context), np.int32)
    truth = monte_carlo_propensities(posterior, space, rows, 20_000, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    lines = np.stack([line_propensities(posterior, space, rows, 50, rng) for _ in range(30)])
    draws = np.stack([monte_carlo_propensities(posterior, space, rows, 50, rng) for _ in range(30)])
    assert lines.sum(axis=1) == pytest.approx(np.ones(30))
    # Of 1,500 lines and 20,000 draws: √(π(1−π)/1,500 + π(1−π)/20,000) ≤ 0.014; four of those.
    assert lines.mean(axis=0) == pytest.approx(truth, abs=0.056)
    assert lines.var(axis=0).sum() < draws.var(axis=0).sum()
    assert np.mean(lines == 0.0) <= np.mean(draws == 0.0)


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
