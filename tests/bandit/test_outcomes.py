from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.errors import CatalogueError, CreativeError
from bandit.outcomes import Cells, CreativeOutcome, cells_of, count_cells

if TYPE_CHECKING:
    from bandit.features import FeatureIndex


def outcome(site: int, headline: str, reward: float) -> CreativeOutcome:
    return CreativeOutcome("text", {"site": site}, {"headline": headline}, reward)


def test_equal_creatives_in_equal_contexts_share_a_cell(index: FeatureIndex) -> None:
    cells = cells_of([outcome(0, "short", 1.0), outcome(1, "short", 0.0), outcome(0, "short", 0.0)], index)
    assert cells.rows.tolist() == [[-1, 3, -1, 9, -1, -1], [-1, 4, -1, 9, -1, -1]]
    assert cells.num_impressions.tolist() == [2.0, 1.0]
    assert cells.num_clicks.tolist() == [1.0, 0.0]


def test_no_outcomes_make_no_cells(index: FeatureIndex) -> None:
    assert cells_of([], index).rows.shape == (0, 6)


def test_reward_other_than_a_click_is_an_error() -> None:
    with pytest.raises(CreativeError, match=r"reward = 0\.5"):
        outcome(0, "short", 0.5)


def test_unknown_element_is_an_error(index: FeatureIndex) -> None:
    with pytest.raises(CatalogueError, match="'loud'"):
        cells_of([outcome(0, "loud", 1.0)], index)


def test_counts_of_another_length_are_an_error() -> None:
    with pytest.raises(CreativeError, match="num_clicks"):
        Cells(np.zeros((2, 3), np.int32), np.ones(2), np.ones(3))


def test_cells_are_the_distinct_rows_in_order_however_many_values_there_are() -> None:
    rng = np.random.default_rng(0)
    for top in (3, 2**31 - 1):
        values = rng.integers(-1, top, (4, 9), dtype=np.int64).astype(np.int32)
        # Nine columns of 2³¹ values outgrow one integer.
        rows = values[rng.integers(4, size=60)]
        counted = count_cells(rows, np.ones(60))
        assert np.array_equal(counted.rows, np.unique(rows, axis=0))
        assert counted.num_impressions.sum() == 60.0
        for row, number in zip(counted.rows, counted.num_impressions, strict=True):
            assert number == (rows == row).all(axis=1).sum()
