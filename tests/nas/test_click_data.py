from dataclasses import replace

import numpy as np
import pytest

from nas.click_data import NUM_BINS, Columns, bin_ids, quantile_edges, split_columns
from nas.errors import SearchError

COLUMNS = Columns(
    numeric=np.array([[1.0], [2.0], [3.0], [100.0], [-5.0]], np.float32),
    categorical=np.array([[0], [1], [2], [1], [0]]),
    num_ids=(3,),
    clicks=np.array([0.0, 1.0, 0.0, 1.0, 0.0]),
)
PARTS = {"train": np.array([0, 1, 2]), "validation": np.array([3]), "test": np.array([4])}


def test_numbers_become_bins_of_the_training_part_alone() -> None:
    data = split_columns("log", COLUMNS, PARTS)
    np.testing.assert_array_equal(data.edges[0], [2.0, 3.0])
    assert data.num_ids == (3, 3)
    assert data.num_numeric == 1
    np.testing.assert_array_equal(data.train.ids, [[0, 0], [1, 1], [2, 2]])
    # Beyond the training range lies its last bin.
    np.testing.assert_array_equal(data.validation.ids, [[2, 1]])
    np.testing.assert_array_equal(data.test.ids, [[0, 0]])
    assert data.validation.numeric[0, 0] == 100.0


def test_bins_hold_about_equally_many_values() -> None:
    values = np.random.default_rng(1).normal(size=3200)
    edges = quantile_edges(values)
    counts = np.bincount(bin_ids(values[:, None], (edges,))[:, 0], minlength=NUM_BINS)
    assert len(edges) == NUM_BINS - 1
    assert counts.min() >= 98
    assert counts.max() <= 102


def test_a_value_that_most_rows_have_leaves_bins_to_the_others() -> None:
    amounts = np.arange(1.0, 101.0)
    values = np.concatenate([np.zeros(900), amounts])
    edges = quantile_edges(values)
    # 0 counts as 1000/32 values beside 100 others: it takes a quarter of the bins.
    assert len(edges) == 24
    counts = np.bincount(bin_ids(amounts[:, None], (edges,))[:, 0])
    assert counts[0] <= 1
    assert counts[1:].min() >= 4
    assert counts[1:].max() <= 5


def test_a_constant_column_has_one_bin() -> None:
    assert len(quantile_edges(np.ones(10))) == 0


def test_wrong_rows_name_the_place_and_the_value() -> None:
    with pytest.raises(SearchError, match=r"rows.ids\[1, 1\] = 3: must be in 0..2"):
        split_columns("log", replace(COLUMNS, categorical=np.array([[0], [3], [2], [1], [0]])), PARTS)
    with pytest.raises(SearchError, match="clicks"):
        split_columns("log", replace(COLUMNS, clicks=np.array([0.0, 0.5, 0.0, 1.0, 0.0])), PARTS)
    with pytest.raises(SearchError, match="at least one row"):
        split_columns("log", COLUMNS, PARTS | {"test": np.array([], np.int64)})
