"""Corrections by hand, then their promises."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.multiple import e_benjamini_hochberg, holm, simultaneous_intervals


def test_holm_steps_down_by_hand() -> None:
    # sorted 0.01·3 = 0.03, 0.02·2 = 0.04, 0.04·1 = 0.04
    np.testing.assert_allclose(holm(np.array([0.02, 0.01, 0.04])), [0.04, 0.03, 0.04])


def test_holm_never_exceeds_one_and_one_test_is_left_alone() -> None:
    np.testing.assert_array_equal(holm(np.array([0.9, 0.8])), [1.0, 1.0])
    np.testing.assert_array_equal(holm(np.array([0.3])), [0.3])


def test_e_values_by_hand() -> None:
    # m = 4, α = 0.05: the k-th largest must reach 80/k: 90 ≥ 80, 45 ≥ 40, 20 < 26.7
    np.testing.assert_array_equal(
        e_benjamini_hochberg(np.array([20.0, 90.0, 45.0, 0.0])), [False, True, True, False]
    )
    assert not e_benjamini_hochberg(np.array([19.0])).any()


def test_simultaneous_intervals_cover_all_policies_together_and_single_ones_do_not() -> None:
    rng = np.random.default_rng(1)
    together = alone = 0
    for _ in range(300):
        logs = rng.normal(size=(60, 8))
        counts = rng.multinomial(60, np.full(60, 1 / 60), size=300)
        resampled = counts @ logs / 60
        means = logs.mean(axis=0)
        together += all(0 in i for i in simultaneous_intervals(means, resampled))
        low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
        alone += bool(((low <= 0) & (high >= 0)).all())
    # 95 % of 300 is 285, three binomial standard deviations are 11; a bootstrap of 60 rows costs two points.
    assert together >= 268
    assert alone < 230  # 0.95⁸ = 66 %


@pytest.mark.parametrize("bad", [np.array([0.5, 1.5]), np.array([np.nan]), np.empty(0), np.array([-0.1])])
def test_what_is_no_p_value_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match="p_values"):
        holm(bad)


def test_a_bootstrap_of_other_policies_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"resampled\.shape"):
        simultaneous_intervals(np.zeros(3), np.zeros((10, 2)))
