from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from bandit.fm import Parameters, logits
from bandit.outcomes import Cells
from bandit.posterior import Posterior
from bandit.streaming import AscentSettings, absorb


def belief(num_rows: int, factors: np.ndarray, linear_scale: float, factors_scale: float) -> Posterior:
    return Posterior(
        Parameters(np.zeros(()), np.zeros(num_rows), factors),
        Parameters(np.array(1.0), np.full(num_rows, linear_scale), np.full(factors.shape, factors_scale)),
    )


def cells(rows: list[list[int]], impressions: list[float], clicks: list[float]) -> Cells:
    return Cells(np.array(rows, np.int32), np.array(impressions), np.array(clicks))


EXACT = AscentSettings(sweeps=20_000, tolerance=1e-12)


@pytest.mark.parametrize(("impressions", "clicks"), [(1.0, 1.0), (40.0, 3.0), (2000.0, 20.0), (500.0, 0.0)])
def test_one_cell_moves_to_the_exact_mode(impressions: float, clicks: float) -> None:
    # Along θ = (b, w) only z = b + w matters, with prior variance S = 1 + ¼: a regression on one number.
    after = absorb(
        belief(1, np.zeros((1, 1)), 0.5, 0.1), cells([[0]], [impressions], [clicks]), settings=EXACT
    )
    exact = minimize_scalar(
        lambda z: z * z / 2.5 + impressions * np.logaddexp(0.0, z) - clicks * z,
        bounds=(-20, 20),
        method="bounded",
    ).x
    assert after.loc.bias + after.loc.linear[0] == pytest.approx(exact, abs=1e-4)
    # Each weight takes a share of the way that is proportional to its variance.
    assert after.loc.bias == pytest.approx(4.0 * after.loc.linear[0], rel=1e-3)


def test_variance_follows_the_curvature() -> None:
    after = absorb(belief(1, np.zeros((1, 1)), 0.5, 0.1), cells([[0]], [100.0], [20.0]), settings=EXACT)
    p = 1.0 / (1.0 + np.exp(-after.loc.bias - after.loc.linear[0]))
    assert after.scale.bias**-2 == pytest.approx(1.0 + 100.0 * p * (1.0 - p))
    assert after.scale.linear[0] ** -2 == pytest.approx(4.0 + 100.0 * p * (1.0 - p))


def objective(
    loc: Parameters, scale: Parameters, prior: Posterior, cells: Cells, information: np.ndarray
) -> float:
    """L of `absorb`, written the long way, with the curvature held."""
    variance = np.full(len(cells.rows), np.square(scale.bias))
    for n, row in enumerate(cells.rows):
        active = row[row >= 0]
        variance[n] += np.square(scale.linear[active]).sum()
        for f, g in combinations(active, 2):
            mf, mg, sf, sg = loc.factors[f], loc.factors[g], scale.factors[f], scale.factors[g]
            variance[n] += np.sum(np.square(sf * mg) + np.square(mf * sg) + np.square(sf * sg))
    z = logits(loc, cells.rows)
    fit = cells.num_clicks @ z - cells.num_impressions @ np.logaddexp(0.0, z) - 0.5 * information @ variance
    pull = sum(
        np.sum(np.square((getattr(loc, name) - getattr(prior.loc, name)) / getattr(prior.scale, name)))
        for name in ("bias", "linear", "factors")
    )
    return float(fit - 0.5 * pull)


def test_result_is_a_stationary_point_of_the_objective() -> None:
    rng = np.random.default_rng(5)
    prior = belief(7, rng.normal(0, 0.6, (7, 2)), 0.7, 0.6)
    rows = [[0, 2, 4], [1, 3, 5], [0, 3, -1], [1, 2, 6], [0, 3, 6]]
    observed = cells(rows, [20.0, 30.0, 5.0, 12.0, 9.0], [3.0, 25.0, 0.0, 6.0, 9.0])
    after = absorb(prior, observed, settings=EXACT)
    p = 1.0 / (1.0 + np.exp(-logits(after.loc, observed.rows)))
    information = observed.num_impressions * p * (1.0 - p)
    for name, place in [
        ("bias", ()),
        *(("linear", i) for i in range(7)),
        *(("factors", i) for i in np.ndindex(7, 2)),
    ]:
        moved = []
        for step in (-1e-4, 1e-4):
            block = np.array(getattr(after.loc, name))
            block[place] += step
            loc = replace(after.loc, **{name: block})
            moved.append(objective(loc, after.scale, prior, observed, information))
        assert (moved[1] - moved[0]) / 2e-4 == pytest.approx(0.0, abs=1e-5)


def test_order_of_the_cells_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    before = belief(6, rng.normal(0, 0.3, (6, 2)), 0.5, 0.5)
    observed = cells([[0, 3], [1, 4], [2, 5], [0, 5]], [9.0, 5.0, 7.0, 30.0], [1.0, 5.0, 3.0, 20.0])
    order = [2, 0, 3, 1]
    shuffled = Cells(observed.rows[order], observed.num_impressions[order], observed.num_clicks[order])
    one, other = absorb(before, observed), absorb(before, shuffled)
    assert one.loc.factors == pytest.approx(other.loc.factors, abs=1e-12)
    assert one.scale.linear == pytest.approx(other.scale.linear, abs=1e-12)


def test_extreme_counts_stay_finite() -> None:
    before = belief(2, np.full((2, 2), 0.5), 3.0, 3.0)
    after = absorb(before, cells([[0, -1], [1, -1], [0, 1]], [1e7, 1e7, 1e7], [1e7, 0.0, 3.0]))
    assert np.isfinite(logits(after.loc, np.array([[0, 1]], np.int32))).all()
    assert np.all(after.scale.factors > 0.0)


def test_rows_that_no_cell_touches_keep_their_belief() -> None:
    rng = np.random.default_rng(0)
    before = belief(4, rng.normal(size=(4, 3)), 0.5, 0.5)
    after = absorb(before, cells([[0, -1], [0, 2]], [3.0, 4.0], [1.0, 4.0]))
    for block in ("linear", "factors"):
        for part in ("loc", "scale"):
            old, new = (getattr(getattr(q, part), block) for q in (before, after))
            assert np.array_equal(old[[1, 3]], new[[1, 3]])
            assert not np.array_equal(old[2], new[2])


def test_no_cells_change_nothing() -> None:
    before = belief(2, np.ones((2, 1)), 0.5, 0.5)
    after = absorb(before, Cells(np.zeros((0, 2), np.int32), np.zeros(0), np.zeros(0)))
    assert np.array_equal(after.loc.factors, before.loc.factors)
    assert after.scale.bias == before.scale.bias


def test_stream_recovers_the_machine_that_clicked() -> None:
    rng = np.random.default_rng(1)
    truth = Parameters(np.array(-1.0), rng.normal(0, 0.5, 9), rng.normal(0, 0.6, (9, 2)))
    rows = np.stack([rng.integers(3, size=6000) + 3 * field for field in range(3)], axis=1).astype(np.int32)
    p = 1.0 / (1.0 + np.exp(-logits(truth, rows)))
    clicks = (rng.random(6000) < p).astype(np.float64)
    after = absorb(belief(9, rng.normal(0, 0.2, (9, 4)), 0.5, 0.4), Cells(rows, np.ones(6000), clicks))
    predicted = 1.0 / (1.0 + np.exp(-logits(after.loc, rows)))
    # 27 distinct cells of about 222 impressions: their own frequencies would err by √(p(1−p)/222) ≤ 0.034.
    assert np.sqrt(np.mean((predicted - p) ** 2)) < 0.034
    assert np.sqrt(np.mean((p.mean() - p) ** 2)) > 0.1


def test_row_without_factors_learns_like_one_whose_factors_are_known_to_be_0() -> None:
    rng = np.random.default_rng(3)
    factors = np.vstack([rng.normal(0.0, 0.3, (4, 2)), np.zeros((2, 2))])
    whole = belief(6, factors, 0.5, 0.2)
    scale = whole.scale.factors.copy()
    scale[4:] = 1e-9
    whole = replace(whole, scale=replace(whole.scale, factors=scale))
    few = Posterior(*(replace(x, factors=x.factors[:4]) for x in (whole.loc, whole.scale)))
    shown = cells([[0, 2, 4], [1, 2, 5], [0, 3, -1]], [90.0, 40.0, 70.0], [9.0, 1.0, 20.0])
    expected, found = absorb(whole, shown), absorb(few, shown)
    assert found.loc.linear == pytest.approx(expected.loc.linear, abs=1e-9)
    assert found.loc.factors == pytest.approx(expected.loc.factors[:4], abs=1e-9)
    assert found.scale.factors == pytest.approx(expected.scale.factors[:4], abs=1e-9)
