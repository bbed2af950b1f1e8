"""The errors that stand beside published ones, worked by hand on four rows."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.replay_published import ESTIMATORS, _errors, _mostly


def test_errors_of_the_estimators_by_hand() -> None:
    reward, weight = np.array([1.0, 0.0, 1.0, 0.0]), np.array([2.0, 0.5, 0.5, 1.0])
    logged, expected = np.full(4, 0.5), np.full(4, 0.25)
    errors = dict(zip(ESTIMATORS, _errors(0.5, (reward, weight, logged, expected)), strict=True))
    assert errors["DM"] == pytest.approx(0.5)
    assert errors["IPS"] == pytest.approx(abs(2.5 / 4 - 0.5) / 0.5)
    assert errors["SNIPS"] == pytest.approx(abs(2.5 / 4 - 0.5) / 0.5)
    assert errors["DR"] == pytest.approx(abs(0.25 + (1.0 - 0.25 + 0.25 - 0.5) / 4 - 0.5) / 0.5)


def test_a_policy_that_mostly_takes_one_digit() -> None:
    (row,) = _mostly(np.array([3]), 0.9)
    assert row[3] == pytest.approx(0.91)
    assert np.delete(row, 3) == pytest.approx(np.full(9, 0.01))
