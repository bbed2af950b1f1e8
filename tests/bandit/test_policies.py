from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.errors import CatalogueError, CreativeError
from bandit.policies import TopTwoSelector, epsilon_greedy, greedy, uniform
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from bandit.policies import CreativePolicy
    from bandit.posterior import Posterior
    from bandit.space import CreativeCatalogue

CONTEXT = {"hour": 1, "site": 2}


def policies(catalogue: CreativeCatalogue, posterior: Posterior) -> dict[str, CreativePolicy]:
    return {
        "thompson": ThompsonSelector(catalogue, posterior, "v", num_draws=32, floor=0.1),
        "greedy": greedy(catalogue, posterior, "v"),
        "epsilon greedy": epsilon_greedy(catalogue, posterior, "v", 0.3),
        "uniform": uniform(catalogue, posterior, "v"),
        "top-two": TopTwoSelector(catalogue, posterior, "v", num_draws=32, floor=0.1),
        "top-two, challengers only": TopTwoSelector(
            catalogue, posterior, "v", num_draws=32, floor=0.0, leader_share=0.0
        ),
    }


NAMES = ("thompson", "greedy", "epsilon greedy", "uniform", "top-two", "top-two, challengers only")


@pytest.mark.parametrize("name", NAMES)
def test_propensity_is_the_frequency_of_the_choice(
    catalogue: CreativeCatalogue, posterior: Posterior, name: str
) -> None:
    policy = policies(catalogue, posterior)[name]
    # u on the middles of a grid that is fine enough for 10 creatives, floors of tenths and 31 challengers:
    # each stretch of u on which the choice is constant is met in proportion, up to one cell at its two ends.
    grid = (np.arange(4000) + 0.5) / 4000
    shown: dict[tuple[str, ...], float] = {}
    for draw in range(policy.num_draws):
        for u in grid[:: 1 if policy.num_draws == 1 else 8].tolist():
            creative = tuple(policy.select("banner", CONTEXT, draw, u).elements.values())
            shown[creative] = shown.get(creative, 0.0) + 1.0
    total = sum(shown.values())
    for creative, count in shown.items():
        elements = dict(zip(("picture", "headline", "colour"), creative, strict=True))
        claimed = policy.propensity("banner", CONTEXT, elements)
        assert count / total == pytest.approx(claimed, abs=0.004)
    assert policy.propensities("banner", CONTEXT).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("name", NAMES)
def test_selection_carries_the_propensity_of_its_creative(
    catalogue: CreativeCatalogue, posterior: Posterior, name: str
) -> None:
    policy = policies(catalogue, posterior)[name]
    for u in (0.05, 0.2, 0.5, 0.99):
        selection = policy.select("banner", CONTEXT, 0, u)
        assert selection.propensity == policy.propensity("banner", CONTEXT, selection.elements)
        assert selection.exact


@pytest.mark.parametrize("name", NAMES)
def test_elements_add_up_the_creatives(catalogue: CreativeCatalogue, posterior: Posterior, name: str) -> None:
    policy = policies(catalogue, posterior)[name]
    assert isinstance(policy, ThompsonSelector)
    space = policy.index.space("banner")
    found = policy.element_propensities("banner", CONTEXT)
    expected = {slot: dict.fromkeys(shares, 0.0) for slot, shares in found.items()}
    for number, share in enumerate(policy.propensities("banner", CONTEXT)):
        for slot, element in space.creative(number).items():
            expected[slot][element] += share
    for slot, shares in expected.items():
        assert found[slot] == pytest.approx(shares)


def test_greedy_shows_the_best_of_the_means(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    posterior.loc.factors[:] = 0.0
    posterior.loc.linear[[8, 11, 12]] = 1.0
    selection = greedy(catalogue, posterior, "v").select("banner", CONTEXT, 0, 0.7)
    assert selection.elements == {"picture": "dog", "headline": "question", "colour": "red"}
    assert selection.propensity == 1.0


def test_candidates_of_a_request_share_the_draw(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    policy = policies(catalogue, posterior)["thompson"]
    together = policy.select_many(["banner", "text", "banner"], CONTEXT, 5, [0.5, 0.01, 0.9])
    alone = [policy.select(s, CONTEXT, 5, u) for s, u in (("banner", 0.5), ("text", 0.01), ("banner", 0.9))]
    assert together == alone


def test_infeasible_creative_is_our_error(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    policy = policies(catalogue, posterior)["thompson"]
    broken = {"picture": "cat", "headline": "short", "colour": "red"}
    with pytest.raises(CatalogueError, match="forbidden"):
        policy.propensity("banner", CONTEXT, broken)
    with pytest.raises(CatalogueError, match="bird"):
        policy.propensity("banner", CONTEXT, broken | {"picture": "bird"})
    with pytest.raises(CatalogueError, match="slots"):
        policy.propensity("banner", CONTEXT, {"picture": "dog"})


def test_leader_share_beyond_one_is_our_error(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    with pytest.raises(CreativeError, match="leader_share"):
        TopTwoSelector(catalogue, posterior, "v", leader_share=1.5)


def test_logged_propensities_judge_another_policy_without_bias(
    catalogue: CreativeCatalogue, posterior: Posterior
) -> None:
    rng = np.random.default_rng(3)
    policy = ThompsonSelector(catalogue, posterior, "v", num_draws=32, floor=0.3)
    names = [policy.index.space("banner").creative(c) for c in range(9)]
    rates = rng.uniform(0.1, 0.6, len(names))
    terms = np.empty(20_000)
    for n in range(terms.size):
        shown = policy.select("banner", CONTEXT, int(rng.integers(32)), float(rng.random()))
        number = names.index(shown.elements)
        # The target shows creatives 2 and 7 with equal chances.
        terms[n] = (rng.random() < rates[number]) * 0.5 * (number in (2, 7)) / shown.propensity
    error = terms.mean() - 0.5 * (rates[2] + rates[7])
    assert abs(error) < 4.0 * terms.std() / np.sqrt(terms.size)
    assert terms.std() / np.sqrt(terms.size) < 0.02
