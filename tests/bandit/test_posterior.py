from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.fm import Parameters
from bandit.posterior import Posterior, PriorScales

if TYPE_CHECKING:
    from bandit.space import CreativeCatalogue


def single(loc: float, scale: float) -> Posterior:
    return Posterior(*(Parameters(np.array(x), np.full(1, x), np.full((1, 1), x)) for x in (loc, scale)))


def test_prior_starts_off_the_saddle(catalogue: CreativeCatalogue) -> None:
    prior = Posterior.prior(catalogue, 4, PriorScales(), seed=1)
    assert prior.loc.linear.tolist() == [0.0] * 26
    assert np.all(prior.loc.factors != 0.0)
    assert np.array_equal(prior.loc.factors, Posterior.prior(catalogue, 4, seed=1).loc.factors)


def test_compositions_have_a_spread_of_their_own_and_no_factors(catalogue: CreativeCatalogue) -> None:
    prior = Posterior.prior(catalogue, 4, PriorScales(linear=0.4, composition=0.2), seed=1)
    assert prior.scale.linear.tolist() == [0.4] * 14 + [0.2] * 12
    assert prior.loc.factors.shape == prior.scale.factors.shape == (14, 4)


def test_same_seed_gives_the_same_draws(posterior: Posterior) -> None:
    one, other = (posterior.draws(5, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one.factors, other.factors)
    assert one.linear.shape == (5, 26)
    assert one.factors.shape == (5, 14, 2)
    assert one.bias.shape == (5,)


def test_draws_have_the_mean_and_scale_of_the_posterior(posterior: Posterior) -> None:
    draws = posterior.draws(20_000, np.random.default_rng(0)).linear
    # The mean of 20,000 normals strays by 1/√20,000 = 0.007, their deviation by 0.005: 5 of those.
    assert draws.mean(axis=0) == pytest.approx(posterior.loc.linear, abs=0.036)
    assert draws.std(axis=0) == pytest.approx(posterior.scale.linear, rel=0.025)


def test_tempering_narrows_one_block(posterior: Posterior) -> None:
    cool = posterior.tempered(linear=1.0, factors=0.0, composition=0.5)
    draws = cool.draws(3, np.random.default_rng(0))
    assert np.array_equal(draws.factors[1], posterior.loc.factors)
    assert np.array_equal(cool.scale.linear[:14], posterior.scale.linear[:14])
    assert np.array_equal(cool.scale.linear[14:], 0.5 * posterior.scale.linear[14:])


def test_forgetting_halves_the_evidence() -> None:
    # Prior N(0, 1), posterior N(2, ½²): precisions 1 and 4; at power ½ they weigh ½ and 2.
    faded = single(2.0, 0.5).forgotten(single(0.0, 1.0), power=0.5)
    assert faded.loc.linear[0] == pytest.approx(2.0 * 2.0 / 2.5)
    assert faded.scale.linear[0] == pytest.approx(2.5**-0.5)


def test_forgetting_for_ever_ends_at_the_prior() -> None:
    belief, prior = single(2.0, 0.1), single(0.0, 1.0)
    for _ in range(200):
        belief = belief.forgotten(prior, power=0.8)
    assert belief.loc.factors[0, 0] == pytest.approx(0.0, abs=1e-9)
    assert belief.scale.factors[0, 0] == pytest.approx(1.0)


def test_power_one_forgets_nothing() -> None:
    kept = single(2.0, 0.5).forgotten(single(0.0, 1.0), power=1.0)
    assert kept.loc.bias == pytest.approx(2.0)
    assert kept.scale.bias == pytest.approx(0.5)


def test_exchanged_prior_adds_natural_parameters() -> None:
    # Evidence: precision 4 − 1 = 3, moment 2 · 4 − 0 = 8; the new prior N(1, ½) adds 2 and 2.
    moved = single(2.0, 0.5).rebased(single(0.0, 1.0), single(1.0, 0.5**0.5))
    assert moved.scale.linear[0] == pytest.approx(5.0**-0.5)
    assert moved.loc.linear[0] == pytest.approx(10.0 / 5.0)


def test_without_evidence_the_new_prior_takes_over_exactly() -> None:
    old, new = single(0.3, 0.7), single(-1.7, 0.123)
    moved = old.rebased(old, new)
    assert (moved.loc.linear[0], moved.scale.linear[0]) == (-1.7, pytest.approx(0.123, rel=1e-15))


def test_factors_of_a_row_depend_on_its_name_only(catalogue: CreativeCatalogue) -> None:
    slots = catalogue.slots
    grown = replace(catalogue, slots=(replace(slots[0], elements=("ape", "cat", "dog")), *slots[1:]))
    one, other = (Posterior.prior(data, 4, seed=1).loc.factors for data in (catalogue, grown))
    assert np.array_equal(np.delete(other, 7, axis=0), one)
    assert not np.array_equal(other[7], one[7])
