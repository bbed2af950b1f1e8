"""Every estimator against an independent implementation's figures on real rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ranker.replay.estimators import (
    direct_method,
    dr,
    dros,
    ips,
    sndr,
    snips,
    sub_gaussian_dr,
    sub_gaussian_ips,
    switch_dr,
)
from ranker.replay.evaluation import values
from ranker.replay.logged_batch import WeightedRows
from ranker.replay.moments import Tuning, accumulate

GOLDEN = dict(np.load(Path(__file__).parents[2] / "golden" / "open_bandit_estimates.npz"))
REWARDS = GOLDEN["reward"].astype(float)
WEIGHTS = GOLDEN["target"][GOLDEN["action"], GOLDEN["position"]] / GOLDEN["propensity"]
BASELINES = GOLDEN["baseline_logged"], GOLDEN["baseline_target"]
ALL = (REWARDS, WEIGHTS, *BASELINES)

FOUND = {
    "dm": direct_method(BASELINES[1]),
    "ipw": ips(REWARDS, WEIGHTS),
    "snipw": snips(REWARDS, WEIGHTS),
    "dr": dr(*ALL),
    "sndr": sndr(*ALL),
    "switch1": switch_dr(*ALL, 1.0),
    "dros100": dros(*ALL, 100.0),
    "sg-ipw": sub_gaussian_ips(REWARDS, WEIGHTS, 0.01),
    "sg-dr": sub_gaussian_dr(*ALL, 0.01),
}


@pytest.mark.parametrize("name", FOUND)
def test_each_estimator_gives_the_golden_value(name: str) -> None:
    assert FOUND[name] == pytest.approx(float(GOLDEN[f"res_{name}"]), abs=1e-12, rel=0)


def test_the_relative_value_is_the_published_one() -> None:
    assert ips(REWARDS, WEIGHTS) / REWARDS.mean() == pytest.approx(1.1981263157894735, abs=1e-12)


def test_the_single_pass_gives_the_same_values_as_the_functions() -> None:
    rows = WeightedRows(REWARDS, WEIGHTS, *BASELINES, np.arange(len(REWARDS)))
    found = values(accumulate(rows, Tuning(largest_weight=5.0, switch_threshold=1.0)))
    names = {"DM": "dm", "IPS": "ipw", "SNIPS": "snipw", "DR": "dr", "SNDR": "sndr"}
    names |= {"Switch-DR": "switch1", "DRos": "dros100"}
    names |= {"sub-Gaussian IPS": "sg-ipw", "sub-Gaussian DR": "sg-dr"}
    for ours, theirs in names.items():
        assert found[ours] == pytest.approx(float(GOLDEN[f"res_{theirs}"]), abs=1e-12, rel=0), ours
    assert found["clipped IPS"] == pytest.approx(float(np.mean(np.minimum(WEIGHTS, 5) * REWARDS)), abs=1e-15)


def test_the_published_mean_relative_errors_over_thirty_bootstraps() -> None:
    table, truth = GOLDEN["target_of_a_million_draws"], 0.0042
    weights = table[GOLDEN["action"], GOLDEN["position"]] / GOLDEN["propensity"]
    errors = []
    for seed in range(30):
        # The legacy generator: the published figures were drawn with it.
        rows = np.random.RandomState(seed).choice(10_000, size=10_000, replace=True)
        estimates = ips(REWARDS[rows], weights[rows]), snips(REWARDS[rows], weights[rows])
        errors.append([abs(value - truth) / truth for value in estimates])
    np.testing.assert_allclose(np.mean(errors, axis=0), [0.311082, 0.311795], atol=1e-6)
