from itertools import product

import numpy as np
import pytest

from nas.cell import Cell
from nas.errors import SearchError

DIAMOND = Cell(((0, 1), (0, 2), (1, 2)), ("none", "skip", "conv"))
"""Two ways from 0 to 2: straight by edge 1, and by edges 0 and 2."""


def test_paths_of_the_diamond_by_hand() -> None:
    assert DIAMOND.paths() == [(0, 2), (1,)]


def test_path_encoding_by_hand() -> None:
    # Codes: skip, conv; then skip-skip, skip-conv, conv-skip, conv-conv.
    conv, skip, none = 2, 1, 0
    encoded = DIAMOND.path_encoding([(conv, skip, conv), (none, conv, skip), (skip, none, conv)])
    np.testing.assert_array_equal(encoded, [[1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]])


def test_cells_that_differ_on_dead_edges_only_have_the_same_paths() -> None:
    cells = list(product(range(3), repeat=3))
    encoded = DIAMOND.path_encoding(cells)
    for first, second in product(range(len(cells)), repeat=2):
        living = []
        for cell in (cells[first], cells[second]):
            living.append(
                {tuple(cell[e] for e in path) for path in DIAMOND.paths() if all(cell[e] for e in path)}
            )
        assert np.array_equal(encoded[first], encoded[second]) == (living[0] == living[1])


def test_operations_are_counted_on_all_and_on_live_edges() -> None:
    # Edge 2 is cut, so the conv on edge 0 leads nowhere.
    np.testing.assert_array_equal(DIAMOND.operation_counts([(2, 1, 0)]), [[1, 1, 1, 0, 1, 0]])


def test_adjacency_leads_from_input_over_edges_to_output() -> None:
    linked = DIAMOND.adjacency() > 0
    expected = np.eye(5, dtype=bool)
    expected[0, [1, 2]] = expected[1, 3] = expected[[2, 3], 4] = True
    np.testing.assert_array_equal(linked, expected)
    np.testing.assert_allclose(DIAMOND.adjacency().sum(axis=1), 1.0)


def test_edges_lead_forward_and_the_absent_operation_is_known() -> None:
    with pytest.raises(SearchError, match=r"cell\.edges"):
        Cell(((1, 0),), ("none", "conv"))
    with pytest.raises(SearchError, match=r"cell\.absent = 'none'"):
        Cell(((0, 1),), ("skip", "conv"))
