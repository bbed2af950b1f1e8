from __future__ import annotations

import numpy as np
import pytest

from bandit.change import ChangeSettings, accumulated, changed_row, surprises, without_row
from bandit.errors import CreativeError
from bandit.fm import Parameters
from bandit.outcomes import Cells
from bandit.posterior import Posterior

SETTINGS = ChangeSettings(allowance=1.0, threshold=5.0, power=0.1)


def certain(linear: list[float], scale: float = 1e-6) -> Posterior:
    num = len(linear)
    return Posterior(
        Parameters(np.zeros(()), np.array(linear), np.zeros((num, 1))),
        Parameters(np.array(0.1), np.full(num, scale), np.full((num, 1), 0.1)),
    )


def cells(rows: list[list[int]], impressions: list[float], clicks: list[float]) -> Cells:
    return Cells(np.array(rows, np.int32), np.array(impressions), np.array(clicks))


def test_surprise_is_counted_in_standard_deviations() -> None:
    # Each row is expected to have 100 of 200. Beside row 0 came 70 of 100: a level of (70 + 500)/(100 + 500).
    observed = cells([[0], [1]], [200.0, 200.0], [130.0, 70.0])
    level = 570.0 / 600.0
    deviation = np.sqrt(1.0 + level * 50.0 + 100.0**2 * level / 600.0)
    z = surprises(certain([0.0, 0.0, 0.0]), observed)
    assert z[0] == pytest.approx((130.0 - level * 100.0) / deviation, rel=1e-4)
    assert z[1] < 0.0
    assert z[2] == 0.0


def test_unsure_belief_is_less_surprised() -> None:
    observed = cells([[0], [1]], [200.0, 200.0], [130.0, 70.0])
    sure, unsure = (surprises(certain([0.0, 0.0], scale), observed)[0] for scale in (1e-6, 0.2))
    level = 570.0 / 600.0
    variances = [1.0 + level * 50.0 + 100.0**2 * level / 600.0 + (50.0 * scale) ** 2 for scale in (0.0, 0.2)]
    assert unsure / sure == pytest.approx(np.sqrt(variances[0] / variances[1]), rel=1e-4)


def test_single_clicks_on_a_rare_row_raise_no_alarm() -> None:
    # 0.05 clicks expected, one came: 4.4 Poisson deviations, but one click in 20 batches is what they mean.
    rare = surprises(certain([0.0, 0.0]), cells([[0], [1]], [0.1, 1000.0], [1.0, 500.0]))
    assert 0.0 < rare[0] < 1.0


def test_change_of_the_overall_level_is_no_rows_fault() -> None:
    rows = [[0, 2], [1, 3]]
    fallen = surprises(certain([0.0] * 4), cells(rows, [1e5, 1e5], [4e4, 4e4]))
    # Within a deviation of the level's own uncertainty; a row alone would stray by 10,000/√25,000 = 63.
    assert np.abs(fallen).max() < 1.0


def test_sums_grow_by_the_excess_and_end_at_zero() -> None:
    sums = accumulated(np.zeros((2, 3)), np.array([3.0, -3.0, 0.5]), SETTINGS)
    assert sums.tolist() == [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    assert changed_row(sums, SETTINGS) is None
    sums = accumulated(sums, np.array([0.0, -6.0, 0.0]), SETTINGS)
    assert sums.tolist() == [[2.0, 0.0, 0.0], [0.0, 7.0, 0.0]]
    assert changed_row(sums, SETTINGS) == 1


def test_only_evidence_about_the_row_fades() -> None:
    prior, base = certain([0.0, 0.0], scale=1.0), certain([2.0, 2.0], scale=0.5)
    held = cells([[0, -1], [0, 1]], [10.0, 20.0], [1.0, 2.0])
    after, counts = without_row(prior, base, held, 1, 0.1)
    assert counts.num_impressions.tolist() == [10.0, 2.0]
    assert counts.num_clicks.tolist() == [1.0, 0.2]
    assert (after.loc.linear[0], after.scale.linear[0]) == (2.0, 0.5)
    # Precision 0.1 · 4 + 0.9 · 1, mean 0.1 · 4 · 2 / 1.3.
    assert after.scale.linear[1] ** -2 == pytest.approx(1.3)
    assert after.loc.linear[1] == pytest.approx(0.8 / 1.3)


def test_false_alarms_are_rare_and_a_change_is_found() -> None:
    rng = np.random.default_rng(4)
    rows = np.array([[a, 5 + b] for a in range(5) for b in range(5)], np.int32)
    belief = certain(rng.normal(-1.0, 0.3, 10).tolist())
    p = 1.0 / (1.0 + np.exp(-belief.loc.linear[rows].sum(axis=1)))
    sums = np.zeros((2, 10))
    for _ in range(500):
        observed = Cells(rows, np.full(25, 40.0), rng.binomial(40, p).astype(float))
        sums = accumulated(sums, surprises(belief, observed), ChangeSettings())
        # Page's sum with allowance 1 passes 8 once in e¹⁶ batches.
        assert changed_row(sums, ChangeSettings()) is None
    changed = np.where(rows[:, 0] == 3, np.minimum(2.5 * p, 1.0), p)
    for _ in range(5):
        observed = Cells(rows, np.full(25, 40.0), rng.binomial(40, changed).astype(float))
        sums = accumulated(sums, surprises(belief, observed), ChangeSettings())
        if changed_row(sums, ChangeSettings()) is not None:
            break
    assert changed_row(sums, ChangeSettings()) == 3


def test_nothing_new_is_no_surprise() -> None:
    assert not surprises(certain([0.0]), cells(np.empty((0, 1)), [], [])).any()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("allowance", -0.1), ("threshold", 0.0), ("power", 0.0), ("power", 1.5)]
)
def test_broken_setting_names_itself(name: str, value: float) -> None:
    with pytest.raises(CreativeError, match=f"change.{name}"):
        ChangeSettings(**{name: value})
