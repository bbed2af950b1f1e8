"""Skeletons first, then what lies around the best."""

from __future__ import annotations

import numpy as np
import pytest

from nas.errors import SearchError
from nas.space import ChoiceBlock, SearchSpace
from nas.strategies.coarse_to_fine import CoarseToFine
from nas.trial import Trial

SPACE = SearchSpace((ChoiceBlock("depth", ("1", "2", "3")), ChoiceBlock("width", ("8", "16", "32", "64"))))


def told(search: CoarseToFine, quality: dict[tuple[int, int], float]) -> tuple[int, int]:
    asked = search.ask()
    search.tell(Trial(asked, quality.get(asked, 0.0)))
    return asked


def test_the_corners_come_first_then_the_neighbours_of_the_best_and_then_of_what_is_better() -> None:
    search = CoarseToFine(SPACE, np.random.default_rng(1))
    quality = {(2, 3): 5.0, (2, 2): 6.0}
    assert {told(search, quality) for _ in range(4)} == {(0, 0), (0, 3), (2, 0), (2, 3)}
    around = told(search, quality)
    if around == (1, 3):
        around = told(search, quality)
    assert around == (2, 2), "the other neighbour of the best corner"
    assert told(search, quality) in {(1, 2), (2, 1)}, "from there, without what was left of the corner"


def test_three_points_of_a_block_are_its_ends_and_its_middle() -> None:
    search = CoarseToFine(SPACE, np.random.default_rng(1), points=3)
    assert {told(search, {}) for _ in range(9)} == {(d, w) for d in (0, 1, 2) for w in (0, 2, 3)}


def test_a_space_that_is_tried_out_is_drawn_from() -> None:
    search = CoarseToFine(SPACE, np.random.default_rng(1))
    assert len({told(search, {}) for _ in range(12)}) == 12
    SPACE.check(told(search, {}))


def test_of_a_large_grid_as_many_skeletons_are_drawn() -> None:
    space = SearchSpace(tuple(ChoiceBlock(str(i), ("a", "b", "c")) for i in range(20)))
    search = CoarseToFine(space, np.random.default_rng(1), num_coarse=5)
    assert all(set(search.ask()) <= {0, 2} for _ in range(5))


@pytest.mark.parametrize(
    ("changes", "said"), [({"num_coarse": 0}, "num_coarse = 0"), ({"points": 1}, "points = 1")]
)
def test_a_wrong_number_is_named(changes: dict[str, int], said: str) -> None:
    with pytest.raises(SearchError, match=said):
        CoarseToFine(SPACE, np.random.default_rng(1), **changes)
