"""The rival of `benchmarks.rank` answers the same question as ours."""

import numpy as np
import pytest

from benchmarks.naive_service import drawn, mixture


def test_the_best_ad_is_shown_first_where_nothing_is_limited() -> None:
    marginals = mixture(np.array([1.0, 3.0, 2.0]), np.array([1.0, 0.5]), np.empty((0, 3)), np.empty(0))
    assert drawn(marginals, np.random.default_rng(0)).tolist() == [1, 2]


def test_a_limit_holds_over_the_draws() -> None:
    marginals = mixture(np.array([1.0, 3.0]), np.array([1.0]), np.array([[0.0, 1.0]]), np.array([0.25]))
    rng = np.random.default_rng(0)
    shown = np.mean([drawn(marginals, rng)[0] for _ in range(2000)])
    assert shown == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / 2000))
