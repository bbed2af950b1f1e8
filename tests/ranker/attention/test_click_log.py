from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ranker.attention.click_log import ClickLog, Sessions, to_log, to_sessions
from ranker.attention.counts import Counts, aggregate
from ranker.errors import InvalidInputError


def log_of(**changed: Any) -> ClickLog:
    columns: dict[str, Any] = {
        "session": np.array([0, 0, 1]),
        "position": np.array([0, 1, 0]),
        "item": np.array([0, 1, 1]),
        "click": np.array([True, False, True]),
    }
    return ClickLog(**(columns | changed))


def test_counts_of_three_rows_by_hand() -> None:
    counts = aggregate(log_of(), num_items=3)
    np.testing.assert_array_equal(counts.starts, [0, 1, 3, 3])
    np.testing.assert_array_equal(counts.position, [0, 0, 1])
    np.testing.assert_array_equal(counts.item, [0, 1, 1])
    np.testing.assert_array_equal(counts.impressions, [1, 1, 1])
    np.testing.assert_array_equal(counts.clicks, [1, 1, 0])
    for found, expected in zip(counts.by_position(), ([2, 1], [2, 0]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_sparse_and_dense_counting_agree(rng: np.random.Generator) -> None:
    item = rng.integers(30, size=500)
    log = ClickLog(np.arange(500), rng.integers(4, size=500), item, rng.random(500) < 0.3)
    dense, sparse = aggregate(log), aggregate(log, num_items=10_000)
    np.testing.assert_array_equal(sparse.starts[: len(dense.starts)], dense.starts)
    for name in ("position", "impressions", "clicks"):
        np.testing.assert_array_equal(getattr(sparse, name), getattr(dense, name))


def test_rows_and_sessions_are_two_views_of_one_log(short_sessions: Sessions) -> None:
    back = to_sessions(to_log(short_sessions))
    np.testing.assert_array_equal(back.items, short_sessions.items)
    np.testing.assert_array_equal(back.clicks, short_sessions.clicks)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"session": np.array([], int)}, r"log.num_rows = 0: the log is empty"),
        ({"item": np.array([0, 1])}, r"log.item.shape = \(2,\): must be one a row: \(3,\)"),
        ({"item": np.array([0, -2, 1])}, r"log.item\[1\] = -2: must not be negative"),
        ({"item": np.array([0.0, 1.0, 1.0])}, r"log.item.dtype = 'float64': must be integers"),
        ({"click": np.array([1, 0, 2])}, r"log.click.dtype = 'int64': must be bool"),
        ({"position": np.array([0, 0, 0])}, r"log.position = 0: appears more than once in session 0"),
        ({"position": np.array([1, 2, 1])}, r"log.position = 1: no row has position 0"),
        ({"position": np.array([0, 5000, 0])}, r"log.position = 5000: must be below 1000"),
        ({"context": np.array([0, 0, 1]), "context_names": ("a",)}, r"log.context = 1: has no name"),
    ],
)
def test_a_wrong_column_is_named_with_its_value(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        log_of(**changed)


@pytest.mark.parametrize(
    ("items", "clicks", "message"),
    [
        ([0, 1], [0, 0], r"sessions.items.shape = \(2,\): must be \(sessions, positions\)"),
        ([[0, 1]], [[0]], r"sessions.clicks.shape = \(1, 1\): must be that of items: \(1, 2\)"),
        ([[0, -2]], [[0, 0]], r"sessions.items = -2: codes start at 0"),
        ([[0, 9]], [[0, 0]], r"sessions.items = 9: must be below num_items = 3"),
        ([[0, -1, 1]], [[0, 0, 0]], r"sessions\[0\].position = 1: is missing while a later"),
        ([[0, -1]], [[0, 1]], r"sessions\[0\].position = 1: is clicked, but shows no item"),
        ([[0], [-1]], [[0], [0]], r"sessions\[1\].position = 0: every session shows its first position"),
    ],
)
def test_a_wrong_session_is_named(items: Any, clicks: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Sessions(np.array(items), np.array(clicks, bool), 3)


def test_more_clicks_than_impressions_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"counts\[0\] = \(3.0, 2.0\): clicks must lie in"):
        Counts(np.array([0, 1]), np.array([0]), np.array([2.0]), np.array([3.0]), 1)


def test_rows_keep_every_column() -> None:
    log = log_of(context=np.array([0, 0, 1]), context_names=("a", "b"), version=np.array([4, 4, 5]))
    kept = replace(log, randomised=np.array([True, True, False])).rows(np.array([True, True, False]))
    np.testing.assert_array_equal(kept.version, [4, 4])
    np.testing.assert_array_equal(kept.randomised, [True, True])
    assert kept.context_names == ("a", "b")
