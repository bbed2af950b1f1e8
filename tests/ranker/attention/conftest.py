"""Small click logs that several tests need."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.attention.click_log import ClickLog, Sessions


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture
def swapped() -> ClickLog:
    """Two items at two positions, 100 impressions each; exactly a = (1, 1/2), γ = (0.4, 0.2)."""
    cells = [(0, 0, 40), (0, 1, 20), (1, 0, 20), (1, 1, 10)]
    rows = [(item, position, c < clicks) for item, position, clicks in cells for c in range(100)]
    item, position, click = (np.array(column) for column in zip(*rows, strict=True))
    session = np.where(item == position, 0, 100) + np.tile(np.arange(100), 4)
    return ClickLog(session, position, item, click)


@pytest.fixture
def short_sessions() -> Sessions:
    """Three items, slates of one to three."""
    items = np.array([[0, 1, 2], [2, 1, -1], [1, -1, -1], [1, 0, 2]])
    clicks = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]], bool)
    return Sessions(items, clicks, 3)
