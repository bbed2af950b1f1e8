from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranker.attention.click_log import ClickLog
from ranker.attention.counts import Counts, aggregate
from ranker.attention.identification import NotIdentifiedError, identify, require_identified


def counts_of(cells: list[tuple[int, int, float, float]], k: int) -> Counts:
    item, position, impressions, clicks = (np.array(column) for column in zip(*cells, strict=True))
    starts = np.searchsorted(item, np.arange(item.max() + 2))
    return Counts(starts, position, impressions.astype(float), clicks.astype(float), k)


def test_items_that_swap_places_join_their_positions(swapped: ClickLog) -> None:
    found = identify(aggregate(swapped))
    assert found.identified
    assert found.groups == ((0, 1),)
    assert found.advice == ""


def test_items_that_never_move_leave_each_position_alone() -> None:
    found = identify(counts_of([(0, 0, 100, 10), (1, 1, 100, 10)], 2))
    assert found.groups == ((0,), (1,))


def test_groups_and_the_missing_link_are_named() -> None:
    cells = [(0, 0, 1000, 100), (0, 1, 1000, 50), (1, 2, 1000, 20), (1, 3, 1000, 10)]
    with pytest.raises(NotIdentifiedError, match=r"'0, 1 \| 2, 3'.*positions 1 and 2 in 38000 randomly"):
        require_identified(counts_of(cells, 4))  # 769 / (20.5 / 1001) = 37,550


def test_an_item_that_nobody_clicks_links_nothing() -> None:
    cells = [(0, 0, 100, 10), (1, 1, 100, 10), (2, 0, 100, 0), (2, 1, 100, 0)]
    assert not identify(counts_of(cells, 2)).identified


def test_clicks_at_one_end_only_leave_the_ratio_at_zero_or_infinity() -> None:
    # Without a click at 1 the best a₁ is 0, which is no curve; one click the other way makes it finite.
    one_way = [(0, 0, 100, 10), (0, 1, 100, 0)]
    assert not identify(counts_of(one_way, 2)).identified
    assert identify(counts_of([*one_way, (1, 0, 9, 0), (1, 1, 9, 1)], 2)).identified


def test_a_position_that_is_never_shown_cannot_be_compared(swapped: ClickLog) -> None:
    far = replace(swapped, position=np.where(swapped.position == 1, 2, 0))
    assert identify(aggregate(far)).groups == ((0, 2), (1,))
