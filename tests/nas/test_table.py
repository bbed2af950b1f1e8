from pathlib import Path

import numpy as np
import pytest

from nas.errors import SearchError
from nas.table import read_nas_bench_201


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "table.npz"
    np.savez(
        path,
        ops=np.array([[0, 1, 0, 1, 0, 1], [1, 1, 1, 1, 1, 1]], np.int8),
        op_names=np.array(["none", "conv"]),
        val_acc_cifar100=np.array([[50.0, 52.0, np.nan], [70.0, 71.0, 72.0]], np.float32),
        latency_ms_phone=np.array([3.0, 9.0], np.float32),
    )
    return path


def test_a_query_returns_one_known_seed_and_the_latency(stored: Path) -> None:
    table = read_nas_bench_201(stored)
    np.testing.assert_allclose(table.mean_accuracy, [51.0, 71.0])
    rng = np.random.default_rng(1)
    trials = [table.query((0, 1, 0, 1, 0, 1), rng, "phone") for _ in range(40)]
    assert {trial.quality for trial in trials} == {50.0, 52.0}
    assert {trial.latency for trial in trials} == {3.0}


def test_a_missing_array_is_named(stored: Path) -> None:
    with pytest.raises(SearchError, match="has no array val_acc_svhn"):
        read_nas_bench_201(stored, "svhn")


def test_operations_in_another_order_name_the_same_cells(stored: Path) -> None:
    table = read_nas_bench_201(stored)
    turned = table.reordered(("conv", "none"))
    cells = {tuple(table.cell.space.describe(cell).items()): row for cell, row in table.rows.items()}
    assert {
        tuple(turned.cell.space.describe(cell).items()): row for cell, row in turned.rows.items()
    } == cells
    assert turned.rows[(1, 0, 1, 0, 1, 0)] == 0
    with pytest.raises(SearchError, match=r"operations = \('conv', 'pool'\)"):
        table.reordered(("conv", "pool"))
