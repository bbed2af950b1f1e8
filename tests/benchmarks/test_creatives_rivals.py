from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandit.errors import CreativeError
from benchmarks.creatives_arena import PLAYERS
from benchmarks.creatives_calibration import calibration
from benchmarks.creatives_generated import Knobs, generate
from benchmarks.creatives_libraries import VW_OPTIONS, VowpalWabbit
from benchmarks.creatives_rivals import Independent, OneHot, Uniform, laplace
from benchmarks.creatives_tables import Table, play

AES_ONLY = {"AES: LinTS on the tree", "logistic TS on the tree, scale 0.5"}
SMALL = Knobs(slots=2, elements=3, sites=2, days=2, impressions=800, churn=0.2)


@pytest.fixture(scope="module")
def table() -> Table:
    return generate(SMALL, 0)


class Recorder(Uniform):
    def __init__(self, table: Table) -> None:
        super().__init__(table, 0)
        self.asked: list[int] = []
        self.learned: list[tuple[int, int]] = []

    def __call__(self, items: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        self.asked.append(items.size)
        return super().__call__(items, rng)

    def learn(self, items: np.ndarray, *_: np.ndarray) -> None:
        self.learned.append((len(self.asked), items.size))


def test_the_warm_up_is_learned_at_once_and_the_rest_when_it_is_known(table: Table) -> None:
    late = replace(table, cadence=100, warm_up=100, delay=200)
    policy = Recorder(late)
    play(late, policy, 0)
    # Learned after 100 (warm-up), then the period that ends at 200 when 400 are reached, and so on.
    assert policy.learned == [(0, 100), (3, 100), (4, 100), (5, 100), (6, 100), (7, 100)]


def test_items_that_come_once_each_come_once(table: Table) -> None:
    once = replace(table, once=True, impressions=4, warm_up=1, cadence=1, days=1)
    regrets = play(once, Uniform(once, 0), 0)
    assert len(regrets) == 4


@pytest.mark.parametrize("name", [name for name in PLAYERS if name != "shipped" and name not in AES_ONLY])
def test_every_rival_shows_feasible_creatives_only_and_repeats_itself(name: str, table: Table) -> None:
    runs = []
    for _ in range(2):
        player = PLAYERS[name]
        if "variant" in player.settings:
            # Full fits take seconds, and what is asked here does not depend on them.
            player = replace(player, settings={"variant": replace(player.settings["variant"], steps=3)})
        policy = player.on(table, 1)
        items = np.arange(4).repeat(60)
        rng = np.random.default_rng(2)
        chosen = Uniform(table, 0)(items, rng)
        policy.learn(items, chosen, (rng.random(items.size) < 0.3).astype(np.float64))
        shown = policy(items, rng)
        assert table.feasible[items, shown].all()
        runs.append(shown)
    assert np.array_equal(*runs)


def test_the_linear_belief_is_ridge_regression(table: Table) -> None:
    policy = OneHot(table, 0)
    items, chosen = np.array([0, 0, 1]), np.flatnonzero(table.feasible[0])[[0, 1, 0]]
    clicks = np.array([1.0, 0.0, 1.0])
    policy.learn(items, chosen, clicks)
    design = np.zeros((3, policy.size))
    np.put_along_axis(design, policy.rows[items, chosen], 1.0, axis=1)
    expected = np.linalg.solve(0.1 * np.eye(policy.size) + design.T @ design, design.T @ clicks)
    assert policy.mode == pytest.approx(expected)


def test_laplace_ends_where_the_slope_is_zero() -> None:
    rng = np.random.default_rng(0)
    design = np.column_stack([rng.normal(size=(30, 3)), np.ones(30)])
    n, k = np.full(30, 20.0), rng.binomial(20, 0.1, 30).astype(float)
    mode, _ = laplace(design, n, k, np.zeros(4))
    p = 1.0 / (1.0 + np.exp(-design @ mode))
    slope = design.T @ (k - n * p) - mode * np.array([1 / 0.09, 1 / 0.09, 1 / 0.09, 1 / 9])
    assert slope == pytest.approx(0.0, abs=1e-4)


def test_independent_beliefs_count_clicks_and_misses(table: Table) -> None:
    policy = Independent(table, 0)
    policy.learn(np.array([1, 1, 1]), np.array([0, 0, 0]), np.array([1.0, 0.0, 0.0]))
    assert (policy.clicks[1, 0], policy.misses[1, 0]) == (2.0, 15.0)


def test_vowpal_wabbit_learns_the_warm_up_with_uniform_chances(table: Table) -> None:
    policy = VowpalWabbit(table, 0, VW_OPTIONS["bag"])
    items, rng = np.zeros(200, np.int64), np.random.default_rng(0)
    uniform = np.full(9, 1.0 / 9)
    assert policy._logged(0) == pytest.approx(uniform)
    chosen = Uniform(table, 0)(items, rng)
    policy.learn(items, chosen, (chosen == chosen[0]).astype(np.float64))
    policy(items, rng)
    assert policy._logged(0).sum() == pytest.approx(1.0)
    assert policy._logged(0).max() > 0.5


def test_a_right_belief_covers_nine_in_ten_and_a_narrow_one_fewer() -> None:
    rng = np.random.default_rng(0)
    centre = rng.normal(-2.0, 0.3, 4_000)
    z = rng.normal(centre, 0.2, (400, 4_000))
    truth = 1.0 / (1.0 + np.exp(-rng.normal(centre, 0.2)))
    right, narrow = (calibration(1.0 / (1.0 + np.exp(-d)), truth) for d in (z, centre + 0.5 * (z - centre)))
    # Standard error of a share of 0.9 among 4,000: 0.005; the quantiles of 400 draws cost below 0.01 more.
    assert right["coverage_90"] == pytest.approx(0.9, abs=0.025)
    assert narrow["coverage_90"] < 0.65
    assert right["calibration_error"] < 0.003


def test_a_shifted_belief_has_the_shift_for_its_calibration_error() -> None:
    truth = np.linspace(0.1, 0.2, 200)
    assert calibration(np.tile(truth + 0.05, (50, 1)), truth)["calibration_error"] == pytest.approx(0.05)


def test_a_few_cells_are_a_group_each() -> None:
    truth = np.array([0.1, 0.2, 0.3])
    found = calibration(np.tile(truth + np.array([0.03, 0.0, -0.03]), (50, 1)), truth)
    # Gaps of 0.03, 0 and 0.03; the draws are all equal, so only the one without a gap is covered.
    assert found == pytest.approx({"coverage_90": 1 / 3, "calibration_error": 0.02})


def test_no_cell_cannot_be_judged() -> None:
    with pytest.raises(CreativeError, match=r"truth = \(0,\): must have a cell"):
        calibration(np.empty((50, 0)), np.empty(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warm_up": 801}, "warm_up = 801: must be from 1 to 800"),
        ({"warm_up": 0}, "warm_up = 0: must be from 1 to 800"),
        ({"cadence": 0}, "cadence = 0: must be from 1 to 800"),
        ({"delay": -1}, "delay = -1: must be from 0 to 800"),
        ({"once": True}, "impressions = 800: must be from 1 to 4"),
    ],
)
def test_a_cadence_that_does_not_fit_the_impressions_is_refused(
    changes: dict[str, object], message: str, table: Table
) -> None:
    with pytest.raises(CreativeError, match=f"^{message}$"):
        replace(table, **changes)
