from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit import argmax, thompson
from bandit.errors import ContextError, CreativeError, UnknownSpaceError
from bandit.features import FeatureIndex
from bandit.fm import logits
from bandit.posterior import Posterior, PriorScales
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTEXT = {"hour": 1, "site": 2}


@pytest.fixture
def selector(catalogue: CreativeCatalogue, posterior: Posterior) -> ThompsonSelector:
    return ThompsonSelector(catalogue, posterior, "v1", num_draws=64, pool_seed=5, floor=0.1)


def brute_force_winners(
    posterior: Posterior,
    index: FeatureIndex,
    space_id: str,
    context: Mapping[str, int],
    pool: tuple[int, int],
) -> list[int]:
    """Scores every creative of a space with the full logit, draw by draw."""
    space = index.space(space_id)
    creatives = [space.creative(number) for number in range(space.feasible.count)]
    rows = np.stack([index.rows(space_id, context, creative) for creative in creatives])
    scores = logits(posterior.draws(pool[0], np.random.default_rng(pool[1])), rows)
    return [int(best) for best in scores.argmax(axis=1)]


def test_surest_element_wins(catalogue: CreativeCatalogue) -> None:
    prior = Posterior.prior(catalogue, 2, PriorScales(1.0, 1e-6, 1e-6, 1e-6))
    prior.loc.linear[[8, 11, 12]] = 1.0
    selection = ThompsonSelector(catalogue, prior, "v", num_draws=3, floor=0.0).select(
        "banner", CONTEXT, 2, 0.0
    )
    assert selection.elements == {"picture": "dog", "headline": "question", "colour": "red"}
    assert selection.propensity == 1.0


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_winners_equal_brute_force(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    slots = tuple(Slot(f"s{i}", tuple(f"e{j}" for j in range(n))) for i, n in enumerate(sizes))
    fields = tuple(ContextField(f"x{i}", 3) for i in range(data.draw(st.integers(0, 3))))
    space = CreativeSpace("space", tuple(field.name for field in fields))
    catalogue = CreativeCatalogue(fields, slots, (space,))
    context = {field.name: data.draw(st.integers(0, 2)) for field in fields}
    seed = data.draw(st.integers(0, 1000))
    posterior = Posterior.prior(catalogue, 3, PriorScales(1.0, 1.0, 1.0, 1.0), seed)
    selector = ThompsonSelector(catalogue, posterior, "v", num_draws=16, pool_seed=seed, floor=0.0)
    index = FeatureIndex(catalogue)
    for draw, winner in enumerate(brute_force_winners(posterior, index, "space", context, (16, seed))):
        assert selector.select("space", context, draw, 0.5).elements == index.space("space").creative(winner)


@pytest.mark.parametrize("space_id", ["banner", "text"])
def test_propensity_is_the_frequency_over_the_pool(selector: ThompsonSelector, space_id: str) -> None:
    # Every draw once and u on a grid that meets the floor exactly: frequencies, not estimates.
    num_compositions = selector.index.space(space_id).feasible.count
    shown: dict[tuple[str, ...], float] = {}
    claimed: dict[tuple[str, ...], float] = {}
    for draw in range(64):
        exploring = [
            (0.1 * (c + 0.5) / num_compositions, 0.1 / num_compositions) for c in range(num_compositions)
        ]
        for u, weight in [*exploring, (0.5, 0.9)]:
            selection = selector.select(space_id, CONTEXT, draw, u)
            creative = tuple(selection.elements.values())
            shown[creative] = shown.get(creative, 0.0) + weight / 64
            claimed[creative] = selection.propensity
    assert claimed == pytest.approx(shown, abs=1e-12)
    assert sum(claimed.values()) == pytest.approx(1.0)
    assert len({round(value, 9) for value in shown.values()}) > 1
    assert sorted(selector.propensities(space_id, CONTEXT)) == pytest.approx(sorted(claimed.values()))


def test_tie_goes_to_the_first_creative(catalogue: CreativeCatalogue) -> None:
    indifferent = Posterior.prior(catalogue, 1, PriorScales(1.0, 1e-300, 1e-300, 1e-300))
    selector = ThompsonSelector(catalogue, indifferent.tempered(0.0, 0.0, 0.0), "v", num_draws=4, floor=0.0)
    indifferent.loc.factors[:] = 0.0
    assert selector.propensities("text", CONTEXT).tolist() == [1.0, 0.0]


def test_element_propensities_add_up_the_creatives(selector: ThompsonSelector) -> None:
    space = selector.index.space("banner")
    expected = {slot: dict.fromkeys(elements, 0.0) for slot, elements in space.space.elements.items()}
    for number, probability in enumerate(selector.propensities("banner", CONTEXT)):
        for slot, element in space.creative(number).items():
            expected[slot][element] += probability
    found = selector.element_propensities("banner", CONTEXT)
    assert found.keys() == expected.keys()
    for slot, shares in expected.items():
        assert found[slot] == pytest.approx(shares)


def test_searched_space_serves_the_same_policy(
    catalogue: CreativeCatalogue,
    posterior: Posterior,
    selector: ThompsonSelector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(argmax, "MAX_ENUMERATED", 1)
    searching = ThompsonSelector(catalogue, posterior, "v1", num_draws=64, pool_seed=5, floor=0.1)
    for u in (0.01, 0.05, 0.5):
        for draw in range(64):
            expected = selector.select("banner", CONTEXT, draw, u)
            assert searching.select("banner", CONTEXT, draw, u) == expected
    with pytest.raises(CreativeError, match="too many to list"):
        searching.propensities("banner", CONTEXT)


def test_searches_cut_short_serve_the_policy_that_they_claim(
    catalogue: CreativeCatalogue, posterior: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(argmax, "MAX_ENUMERATED", 1)
    monkeypatch.setattr(argmax, "MAX_NODES", 3)
    selector = ThompsonSelector(catalogue, posterior, "v1", num_draws=64, pool_seed=5, floor=0.0)
    selections = [selector.select("banner", CONTEXT, draw, 0.5) for draw in range(64)]
    shown = [tuple(selection.elements.values()) for selection in selections]
    assert not all(selection.exact for selection in selections)
    # What was selected before the first cut search was counted without it, so the claims are asked for anew.
    again = ThompsonSelector(catalogue, posterior, "v1", num_draws=64, pool_seed=5, floor=0.0)
    cut = next(draw for draw, selection in enumerate(selections) if not selection.exact)
    again.select("banner", CONTEXT, cut, 0.5)
    for creative, selection in zip(shown, selections, strict=True):
        claimed = again.propensity("banner", CONTEXT, selection.elements)
        assert claimed == pytest.approx(shown.count(creative) / 64)


def test_space_of_a_hundred_million_creatives_is_served(catalogue: CreativeCatalogue) -> None:
    slots = tuple(Slot(f"s{i}", tuple(f"e{j}" for j in range(40))) for i in range(5))
    rule = (("s0", "e0"), ("s1", "e1"), ("s4", "e2"))
    large = CreativeCatalogue(
        catalogue.context_fields, slots, (CreativeSpace("large", ("hour",), incompatible=(rule,)),)
    )
    belief = Posterior.prior(large, 4, PriorScales(), seed=1)
    selector = ThompsonSelector(large, belief, "v", num_draws=8, floor=0.1)
    selection = selector.select("large", {"hour": 1}, 3, 0.5)
    assert selection.propensity == pytest.approx(0.9 / 8 + 0.1 / (40**5 - 40**2))
    assert len(selector.select("large", {"hour": 1}, 3, 0.0999).elements) == 5


def test_floor_one_is_the_uniform_policy(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    selector = ThompsonSelector(catalogue, posterior, "v", floor=1.0)
    assert selector.propensities("banner", CONTEXT) == pytest.approx(np.full(9, 1 / 9))
    last = selector.select("banner", CONTEXT, 0, float(np.nextafter(1.0, 0.0)))
    assert last.elements == selector.index.space("banner").creative(8)


def test_same_version_pool_and_draw_replay_the_decision(
    catalogue: CreativeCatalogue, posterior: Posterior, selector: ThompsonSelector
) -> None:
    again = ThompsonSelector(catalogue, posterior, "v1", num_draws=64, pool_seed=5, floor=0.1)
    assert again.select("banner", CONTEXT, 17, 0.3) == selector.select("banner", CONTEXT, 17, 0.3)


def test_candidates_of_a_request_share_one_machine(
    catalogue: CreativeCatalogue, posterior: Posterior, selector: ThompsonSelector
) -> None:
    # Both spaces must rank by the same drawn weights: brute force over one pool explains both.
    for space_id in ("banner", "text"):
        space = selector.index.space(space_id)
        winners = brute_force_winners(posterior, FeatureIndex(catalogue), space_id, CONTEXT, (64, 5))
        for draw in range(64):
            assert selector.select(space_id, CONTEXT, draw, 0.5).elements == space.creative(winners[draw])


def test_threads_get_the_same_answers(selector: ThompsonSelector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thompson, "CACHED_CONTEXTS", 2)
    contexts = [{"hour": n % 3, "site": n % 4} for n in range(12)]
    alone = [selector.select("banner", context, 7, 0.5) for context in contexts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda n: selector.select("banner", contexts[n % 12], 7, 0.5), range(600)))
    assert together == alone * 50
    assert len(selector._ballots) == 2


def test_warm_up_serves_every_space(selector: ThompsonSelector) -> None:
    selector.warm_up()
    assert len(selector._ballots) == 2


def test_unknown_space_is_our_error(selector: ThompsonSelector) -> None:
    with pytest.raises(UnknownSpaceError, match="'video'"):
        selector.select("video", CONTEXT, 0, 0.5)


def test_broken_context_is_our_error(selector: ThompsonSelector) -> None:
    with pytest.raises(ContextError, match="hour"):
        selector.select("banner", {"site": 1}, 0, 0.5)


@pytest.mark.parametrize(
    ("draw", "u", "field"), [(-1, 0.5, "draw"), (64, 0.5, "draw"), (0, 1.0, "u"), (0, float("nan"), "u")]
)
def test_broken_randomness_is_our_error(selector: ThompsonSelector, draw: int, u: float, field: str) -> None:
    with pytest.raises(CreativeError) as raised:
        selector.select("banner", CONTEXT, draw, u)
    assert raised.value.field == field


def test_broken_policy_is_our_error(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    with pytest.raises(CreativeError, match="floor"):
        ThompsonSelector(catalogue, posterior, "v", floor=1.5)
    with pytest.raises(CreativeError, match="num_draws"):
        ThompsonSelector(catalogue, posterior, "v", num_draws=0)
    other = CreativeCatalogue((), (Slot("s", ("e",)),), (CreativeSpace("a"),))
    with pytest.raises(CreativeError, match=r"posterior.linear"):
        ThompsonSelector(other, posterior, "v")
