"""The check of propensities must pass true ones and catch false ones."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.demo.propensities import check_propensities, wilson
from ranker.demo.served_log import ServedCreatives

FLOOR = 0.02


def _served(seed: int, num: int = 6000) -> tuple[ServedCreatives, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = (rng.random(num) < 0.25).astype(np.int64)
    chances = np.clip(rng.beta(0.4, 0.6, size=num), FLOOR / 2, 1 - FLOOR / 2)
    shown = (rng.random(num) < chances).astype(np.int64)
    propensities = np.where(shown == 1, chances, 1 - chances)
    return ServedCreatives(shown, propensities, (shown == classes).astype(float), FLOOR), classes


def test_true_propensities_give_the_value_of_policies_that_were_never_run() -> None:
    check = check_propensities(*_served(1))
    for policy in check.policies:
        # 95 % a policy; this seed is none of the few that miss.
        assert policy.truth in policy.betting
        assert policy.estimate == pytest.approx(policy.truth, abs=0.1)


def test_true_propensities_are_seen_to_be_calibrated() -> None:
    check = check_propensities(*_served(2))
    assert sum(item.count for item in check.bins) == 6000
    missed = [item for item in check.bins if item.logged not in item.interval]
    # Ten bins at 95 %: more than two misses have a chance of 0.01.
    assert len(missed) <= 2


def test_false_propensities_are_caught() -> None:
    served, classes = _served(3)
    wrong = ServedCreatives(served.shown, np.full(6000, 0.5), served.rewards, FLOOR)
    assert any(policy.truth not in policy.betting for policy in check_propensities(wrong, classes).policies)


def test_the_interval_of_a_share_is_wilsons() -> None:
    # 5 of 10: 0.5 ± 0.2634, his formula by hand.
    interval = wilson(0.5, 10)
    assert (interval.low, interval.high) == pytest.approx((0.23659, 0.76341), abs=1e-5)
