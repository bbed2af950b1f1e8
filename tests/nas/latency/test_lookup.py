import numpy as np
import pytest

from nas.errors import SearchError
from nas.latency.lookup import fit_table


def test_prices_of_two_operations_by_hand() -> None:
    counts = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [1.0, 3.0]])
    table = fit_table(counts, 2.0 + counts @ np.array([3.0, 0.5]), ridge=0.0)
    assert table.fixed == pytest.approx(2.0)
    np.testing.assert_allclose(table.prices, [3.0, 0.5])
    np.testing.assert_allclose(table(np.array([[2.0, 2.0]])), 9.0)


def test_prices_are_never_negative_and_noise_is_averaged() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, (100, 6)).astype(float)
    true = np.array([1.0, 0.0, 2.0, 0.0, 0.5, 3.0])
    latency = (1.0 + counts @ true) * np.exp(0.03 * rng.normal(size=100))
    table = fit_table(counts, latency)
    assert (table.prices >= 0.0).all()
    np.testing.assert_allclose(table(counts), 1.0 + counts @ true, rtol=0.05)


def test_a_model_beyond_the_data_takes_some_time() -> None:
    table = fit_table(np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0]), ridge=0.0)
    assert table(np.zeros((1, 1)))[0] == 0.5


@pytest.mark.parametrize(
    ("counts", "latency", "said"),
    [
        (np.ones((2, 1)), np.array([1.0, 0.0]), "latency = 0.0"),
        (np.ones((2, 1)), np.array([1.0, np.inf]), "latency = inf"),
        (np.ones((2, 1)), np.ones(3), r"latency.shape = \(3,\)"),
        (np.array([[1.0], [-2.0]]), np.ones(2), "counts = -2.0"),
        (np.array([[1.0], [np.nan]]), np.ones(2), "counts = nan"),
    ],
)
def test_wrong_timings_are_named(counts: np.ndarray, latency: np.ndarray, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        fit_table(counts, latency)
