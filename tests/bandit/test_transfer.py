from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.features import FeatureIndex
from bandit.posterior import Posterior, PriorScales
from bandit.space import CreativeCatalogue, Slot
from bandit.transfer import transferred

if TYPE_CHECKING:
    from bandit.features import FeatureIndex as Index

SCALES = PriorScales(1.0, 5.0, 5.0, 0.5)


def with_elements(catalogue: CreativeCatalogue, slot: str, elements: tuple[str, ...]) -> CreativeCatalogue:
    slots = tuple(replace(item, elements=elements) if item.name == slot else item for item in catalogue.slots)
    return replace(catalogue, slots=slots)


def row(index: Index, slot: str, element: str) -> int:
    return index.row_names().index((slot, element))


def test_same_catalogue_changes_nothing(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    same = transferred(posterior, catalogue, catalogue, Posterior.prior(catalogue, 2, SCALES))
    assert np.array_equal(same.loc.factors, posterior.loc.factors)
    assert np.array_equal(same.scale.linear, posterior.scale.linear)


def test_known_elements_keep_their_belief_wherever_they_move(
    catalogue: CreativeCatalogue, posterior: Posterior
) -> None:
    new = with_elements(catalogue, "headline", ("question", "rhyme", "short", "long"))
    moved = transferred(posterior, catalogue, new, Posterior.prior(new, 2, SCALES))
    before, after = FeatureIndex(catalogue), FeatureIndex(new)
    for slot, element in before.row_names():
        old, now = row(before, slot, element), row(after, slot, element)
        assert np.array_equal(moved.loc.factors[now], posterior.loc.factors[old])
        assert moved.scale.linear[now] == posterior.scale.linear[old]
    assert moved.loc.bias == posterior.loc.bias


def test_new_element_is_expected_to_be_like_its_siblings(
    catalogue: CreativeCatalogue, posterior: Posterior
) -> None:
    posterior.loc.linear[[9, 10, 11]] = [1.0, 2.0, 3.0]
    posterior.scale.linear[[9, 10, 11]] = [0.1, 0.2, 0.3]
    new = with_elements(catalogue, "headline", ("short", "long", "question", "rhyme"))
    moved = transferred(posterior, catalogue, new, Posterior.prior(new, 2, SCALES))
    rhyme = row(FeatureIndex(new), "headline", "rhyme")
    assert moved.loc.linear[rhyme] == pytest.approx(2.0)
    assert moved.scale.linear[rhyme] == pytest.approx(np.sqrt(2.0 / 3.0 + (0.01 + 0.04 + 0.09) / 3.0))


def test_new_element_is_never_less_certain_than_the_prior(
    catalogue: CreativeCatalogue, posterior: Posterior
) -> None:
    new = with_elements(catalogue, "headline", ("short", "long", "question", "rhyme"))
    prior = Posterior.prior(new, 2, PriorScales(1.0, 0.01, 0.02, 0.5))
    moved = transferred(posterior, catalogue, new, prior)
    rhyme = row(FeatureIndex(new), "headline", "rhyme")
    assert moved.scale.linear[rhyme] == 0.01
    assert moved.scale.factors[rhyme].tolist() == [0.02, 0.02]


def test_new_slot_starts_at_the_prior(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    new = replace(catalogue, slots=(*catalogue.slots, Slot("sound", ("none", "bell"))))
    prior = Posterior.prior(new, 2, SCALES)
    moved = transferred(posterior, catalogue, new, prior)
    assert np.array_equal(moved.loc.factors[-2:], prior.loc.factors[-2:])
    assert moved.scale.linear[-1] == 5.0


def test_removed_element_is_forgotten(catalogue: CreativeCatalogue, posterior: Posterior) -> None:
    new = with_elements(replace(catalogue, spaces=catalogue.spaces[1:]), "colour", ("green",))
    moved = transferred(posterior, catalogue, new, Posterior.prior(new, 2, SCALES))
    assert moved.loc.linear.shape == (13,)
    assert moved.loc.linear[12] == posterior.loc.linear[13]
