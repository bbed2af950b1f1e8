"""The shipped data is what its publishers count."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.demo.fixtures import DATA, read_census, read_items, read_log


def test_the_logs_hold_the_published_rows_and_clicks() -> None:
    for policy, clicks in (("bts", 42), ("random", 38)):
        log = read_log(policy)
        assert log.num_rows == 10_000
        assert log.clicks.sum() == clicks
        assert set(log.positions.tolist()) == {0, 1, 2}
        assert (np.diff(log.seconds) >= 0).all()


def test_the_random_log_was_drawn_uniformly_from_the_items() -> None:
    assert read_items().num_items == 80
    np.testing.assert_allclose(read_log("random").propensities, 1 / 80)


def test_the_published_importance_weighted_value_is_found_again() -> None:
    # The random policy's value from the other policy's log needs the true propensities of that log.
    log = read_log("bts")
    # E w = 1 and w ≤ 1/80/4.5e-5; the observed spread of the mean weight is 0.09, four times that is allowed.
    weights = (1 / 80) / log.propensities
    assert weights.mean() == pytest.approx(1, abs=4 * weights.std() / np.sqrt(log.num_rows))


def test_the_users_of_both_logs_share_their_levels() -> None:
    for policy in ("bts", "random"):
        assert read_log(policy).users.min() == 1
        np.testing.assert_array_less(read_log(policy).users.max(axis=0), [4, 6, 10, 10])


def test_the_census_holds_every_person_and_the_majority_class() -> None:
    census = read_census()
    assert census.codes.shape == (48_842, 8)
    assert int((census.classes == 0).sum()) == 37_155
    assert [len(values) for values in census.fields.values()] == [9, 16, 7, 15, 6, 5, 2, 42]


def test_the_shipped_files_stay_small_and_licensed() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_500_000
    assert "Apache License" in (DATA / "LICENSE-open-bandit.txt").read_text()
    assert "10.24432/C5XW20" in (DATA / "ATTRIBUTION.md").read_text()
