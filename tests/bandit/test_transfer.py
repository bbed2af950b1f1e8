from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.features import FeatureIndex
from bandit.memory import Memory
from bandit.outcomes import Cells
from bandit.posterior import Posterior, PriorScales
from bandit.space import CreativeCatalogue, Slot
from bandit.streaming import absorb
from bandit.transfer import transferred

if TYPE_CHECKING:
    from bandit.features import FeatureIndex as Index

SCALES = PriorScales(1.0, 5.0, 5.0, 0.5)


def with_elements(catalogue: CreativeCatalogue, slot: str, elements: tuple[str, ...]) -> CreativeCatalogue:
    slots = tuple(replace(item, elements=elements) if item.name == slot else item for item in catalogue.slots)
    return replace(catalogue, slots=slots)


def row(index: Index, slot: str, element: str) -> int:
    return index.row_names().index((slot, element))


@pytest.fixture
def memory(posterior: Posterior, catalogue: CreativeCatalogue) -> Memory:
    """Two cells of the banner: hour 1, site 2 and a dog with two headlines, green."""
    index = FeatureIndex(catalogue)
    context = {"hour": 1, "site": 2}
    shown = [
        index.rows("banner", context, {"picture": "dog", "headline": text, "colour": "green"})
        for text in ("short", "question")
    ]
    cells = Cells(np.array(shown), np.array([9.0, 5.0]), np.array([1.0, 2.0]))
    return Memory(posterior, posterior, cells, np.arange(52.0).reshape(2, 26))


def moved(memory: Memory, old: CreativeCatalogue, new: CreativeCatalogue) -> Memory:
    return transferred(memory, old, new, Posterior.prior(new, 2, SCALES), absorb)


def test_same_catalogue_changes_nothing(catalogue: CreativeCatalogue, memory: Memory) -> None:
    same = moved(memory, catalogue, catalogue)
    assert np.array_equal(same.base.loc.factors, memory.base.loc.factors)
    assert np.array_equal(same.prior.scale.linear, memory.prior.scale.linear)
    assert np.array_equal(same.cells.rows, memory.cells.rows)


def test_known_elements_keep_belief_and_counts_wherever_they_move(
    catalogue: CreativeCatalogue, memory: Memory
) -> None:
    new = with_elements(catalogue, "headline", ("question", "rhyme", "short", "long"))
    after = moved(memory, catalogue, new)
    old_index, new_index = FeatureIndex(catalogue), FeatureIndex(new)
    for slot, element in old_index.row_names():
        was, now = row(old_index, slot, element), row(new_index, slot, element)
        for after_factors, factors in zip(
            (after.base.loc.taken(np.array([now])).factors, after.base.scale.taken(np.array([now])).factors),
            (
                memory.base.loc.taken(np.array([was])).factors,
                memory.base.scale.taken(np.array([was])).factors,
            ),
            strict=True,
        ):
            assert np.array_equal(after_factors, factors)
        assert after.prior.scale.linear[now] == memory.prior.scale.linear[was]
    names = [[new_index.row_names()[r] for r in cell] for cell in after.cells.rows]
    assert names == [[old_index.row_names()[r] for r in cell] for cell in memory.cells.rows]
    assert after.cells.num_clicks.tolist() == [1.0, 2.0]
    assert after.sums[1, row(new_index, "colour", "red")] == memory.sums[1, row(old_index, "colour", "red")]
    assert after.sums[1, row(new_index, "headline", "rhyme")] == 0.0


def test_new_elements_and_slots_start_at_the_first_prior(
    catalogue: CreativeCatalogue, memory: Memory
) -> None:
    new = replace(catalogue, slots=(Slot("sound", ("none", "bell")), *catalogue.slots))
    after = moved(memory, catalogue, new)
    prior = Posterior.prior(new, 2, SCALES)
    bell = row(FeatureIndex(new), "sound", "bell")
    assert np.array_equal(after.base.loc.factors[bell], prior.loc.factors[bell])
    assert after.prior.scale.linear[bell] == 5.0
    # The counts were made before there was a sound.
    assert after.cells.rows[:, 2].tolist() == [-1, -1]


def test_counts_of_a_removed_element_are_folded_before_it_is_forgotten(
    catalogue: CreativeCatalogue, memory: Memory
) -> None:
    new = with_elements(replace(catalogue, spaces=catalogue.spaces[1:]), "picture", ("cat",))
    after = moved(memory, catalogue, new)
    assert len(after.cells.rows) == 0
    fitted = absorb(memory.base, memory.cells)
    green = row(FeatureIndex(new), "colour", "green")
    assert after.base.loc.linear[green] == fitted.loc.linear[row(FeatureIndex(catalogue), "colour", "green")]
    assert after.base.loc.linear.shape == (13,)


def test_removed_slot_folds_too(catalogue: CreativeCatalogue, memory: Memory) -> None:
    new = replace(catalogue, slots=catalogue.slots[:2], spaces=catalogue.spaces[1:])
    assert len(moved(memory, catalogue, new).cells.rows) == 0
