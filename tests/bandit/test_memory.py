from __future__ import annotations

import numpy as np
import pytest

from bandit.change import ChangeSettings
from bandit.fm import Parameters
from bandit.memory import Memory
from bandit.outcomes import Cells
from bandit.posterior import Posterior
from bandit.streaming import absorb


@pytest.fixture
def prior() -> Posterior:
    factors = np.random.default_rng(0).normal(0, 0.2, (5, 2))
    return Posterior(
        Parameters(np.zeros(()), np.zeros(5), factors),
        Parameters(np.array(1.0), np.full(5, 0.5), np.full((5, 2), 0.3)),
    )


def cells(rows: list[list[int]], impressions: list[float], clicks: list[float]) -> Cells:
    return Cells(np.array(rows, np.int32), np.array(impressions), np.array(clicks))


ONE = cells([[0, 3], [1, 4]], [10.0, 20.0], [1.0, 15.0])
OTHER = cells([[1, 4], [2, -1]], [5.0, 8.0], [5.0, 0.0])


def test_batches_are_learned_as_if_they_came_together(prior: Posterior) -> None:
    memory = Memory.of(prior, 2).joined(ONE)
    memory = memory.joined(OTHER)
    together = cells([[0, 3], [1, 4], [2, -1]], [10.0, 25.0, 8.0], [1.0, 20.0, 0.0])
    fitted, expected = memory.posterior(prior, absorb), absorb(prior, together)
    assert fitted.loc.factors == pytest.approx(expected.loc.factors)
    assert fitted.scale.linear == pytest.approx(expected.scale.linear)


def test_fading_scales_counts_and_base_alike(prior: Posterior) -> None:
    sure = absorb(prior, OTHER)
    faded = Memory(prior, sure, ONE, np.zeros((2, 5))).faded(power=0.5)
    assert faded.cells.num_impressions.tolist() == [5.0, 10.0]
    assert faded.cells.num_clicks.tolist() == [0.5, 7.5]
    assert faded.base.scale.bias == pytest.approx((0.5 * sure.scale.bias**-2 + 0.5) ** -0.5)


def test_counts_beyond_the_capacity_become_a_belief(prior: Posterior) -> None:
    memory = Memory.of(prior, 2).joined(ONE)
    assert memory.folded(prior, capacity=2) is memory
    fitted = memory.posterior(prior, absorb)
    folded = memory.folded(fitted, capacity=1)
    assert folded.base is fitted
    assert folded.cells.rows.shape == (0, 2)
    again = folded.posterior(prior, absorb)
    assert again.loc.linear is fitted.loc.linear


def test_search_may_begin_anywhere_near(prior: Posterior) -> None:
    memory = Memory.of(prior, 2).joined(ONE).joined(OTHER)
    near = memory.posterior(prior, absorb)
    # A logit may rest within a hundredth of its optimum.
    assert memory.posterior(near, absorb).loc.linear == pytest.approx(near.loc.linear, abs=0.02)


def test_another_prior_changes_the_belief_but_not_the_evidence(prior: Posterior) -> None:
    wide = Posterior(prior.loc, Parameters(prior.scale.bias, 2.0 * prior.scale.linear, prior.scale.factors))
    sure = absorb(prior, OTHER)
    memory = Memory(prior, sure, ONE, np.zeros((2, 5))).under(wide)
    assert memory.cells is ONE
    assert memory.base.scale.linear**-2 - wide.scale.linear**-2 == pytest.approx(
        sure.scale.linear**-2 - prior.scale.linear**-2
    )
    back = memory.under(prior)
    assert back.base.loc.linear == pytest.approx(sure.loc.linear)
    assert back.base.scale.factors == pytest.approx(sure.scale.factors)


def test_contradicted_row_is_told_and_its_counts_fade(prior: Posterior) -> None:
    old = cells([[0, 3], [1, 4]], [5000.0, 5000.0], [500.0, 500.0])
    memory = Memory.of(prior, 2).joined(old)
    belief = memory.posterior(prior, absorb)
    settings = ChangeSettings(threshold=2.0, power=0.1)
    calm, changed = memory.checked(belief, cells([[0, 3], [1, 4]], [900.0, 900.0], [90.0, 90.0]), settings)
    assert changed is None
    stirred, changed = calm.checked(belief, cells([[0, 3], [1, 4]], [900.0, 900.0], [90.0, 400.0]), settings)
    assert changed in (0, 1, 3, 4)
    assert sorted(stirred.cells.num_impressions) == [500.0, 5000.0]
    assert not stirred.sums.any()
