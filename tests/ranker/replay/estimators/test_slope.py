"""SLOPE by hand, then against an independent implementation's choices on real rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.estimators import dr_terms, optimistically_shrunk, switched
from ranker.replay.estimators.slope import slope, student_width, tune

GOLDEN = dict(np.load(Path(__file__).parents[3] / "golden" / "open_bandit_estimates.npz"))


def test_estimates_that_agree_leave_the_narrowest() -> None:
    assert slope(np.array([1.0, 1.1, 1.05]), np.array([1.0, 0.5, 0.1])) == 2


def test_the_last_one_before_a_disagreement_is_taken() -> None:
    # |3 − 1| > 0.1 + 1.45·1 for the narrowest; 1.1 agrees
    assert slope(np.array([1.0, 1.1, 3.0]), np.array([1.0, 0.5, 0.1])) == 1
    assert slope(np.array([3.0, 1.0, 1.1]), np.array([0.1, 1.0, 0.5])) == 2  # in any order


def test_one_estimate_is_taken() -> None:
    assert slope(np.array([5.0]), np.array([1.0])) == 0


def test_the_width_is_a_student_bound() -> None:
    terms = np.array([0.0, 1.0, 2.0])
    assert student_width(terms) == pytest.approx(2.91998558 * np.sqrt((2 / 3) / 2))


@pytest.mark.parametrize(
    ("name", "shrink", "parameters"),
    [
        ("switch_slope", switched, (1, 5, 10, 50, 100, 500, np.inf)),
        ("dros_slope", optimistically_shrunk, (1, 5, 10, 50, 100, 500, 1000, 10_000, np.inf)),
    ],
)
def test_the_tuned_estimate_is_the_golden_one(
    name: str, shrink: object, parameters: tuple[float, ...]
) -> None:
    assert callable(shrink)
    rewards = GOLDEN["reward"].astype(float)
    weights = GOLDEN["target"][GOLDEN["action"], GOLDEN["position"]] / GOLDEN["propensity"]

    def terms(parameter: float) -> np.ndarray:
        shrunk = shrink(weights, parameter)  # type: ignore[operator]
        return dr_terms(rewards, shrunk, GOLDEN["baseline_logged"], GOLDEN["baseline_target"])

    found = terms(tune(parameters, terms)).mean()
    assert found == pytest.approx(float(GOLDEN[f"res_{name}"]), abs=1e-12, rel=0)


def test_widths_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"values\.shape"):
        slope(np.zeros(2), np.zeros(3))
