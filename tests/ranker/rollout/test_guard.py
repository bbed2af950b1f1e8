"""When an arm has left its bounds."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.rollout.guard import MIN_SCORINGS, WINDOW, ArmRecord, calibration_leaves, latency_leaves
from ranker.rollout.plan import Bounds

BOUNDS = Bounds(max_calibration_ratio=1.5, max_score_seconds=0.01)


def test_calibration_is_judged_against_the_control():
    control = ArmRecord(observed=1000.0, expected=500.0)  # ctr is too small by half for both: attention
    assert not calibration_leaves(BOUNDS, ArmRecord(1000.0, 500.0), control)
    assert calibration_leaves(BOUNDS, ArmRecord(1000.0, 1000.0), control)
    assert calibration_leaves(BOUNDS, ArmRecord(1000.0, 250.0), control)
    # R = 1.6 is beyond 1.5, but not by four standard errors of √(2/1000) = 0.045: log 1.6/1.5 = 0.065.
    assert not calibration_leaves(BOUNDS, ArmRecord(1600.0, 500.0), control)


def test_few_clicks_judge_nobody_but_none_where_many_are_due_does():
    control = ArmRecord(observed=1000.0, expected=1000.0)
    assert not calibration_leaves(BOUNDS, ArmRecord(0.0, 19.0), control)
    # Without a click: log 2E exceeds log 1.5 + 4·√(1/0.5 + 1/1000) from E = 217 on.
    assert calibration_leaves(BOUNDS, ArmRecord(0.0, 250.0), control)
    assert not calibration_leaves(BOUNDS, ArmRecord(500.0, 100.0), ArmRecord(19.0, 19.0))


def test_an_arm_like_the_control_is_kept_through_many_looks():
    # 20 arms, each judged after each of 200 polls: at four standard errors beyond 1.5 none should fall.
    rng = np.random.default_rng(0)
    for _ in range(20):
        arm, control = ArmRecord(), ArmRecord()
        for _ in range(200):
            for record in (arm, control):
                record.expected += 2.0
                record.observed += rng.poisson(2.0)
            assert not calibration_leaves(BOUNDS, arm, control)


@pytest.mark.parametrize(("slow", "leaves"), [(0.05, False), (0.15, True)])
def test_latency_is_the_time_that_nine_of_ten_keep(slow, leaves):
    arm = ArmRecord()
    arm.score_seconds.extend([0.001] * int(WINDOW * (1 - slow)) + [0.02] * int(WINDOW * slow))
    assert latency_leaves(BOUNDS, arm) is leaves


def test_few_scorings_judge_nobody():
    arm = ArmRecord()
    arm.score_seconds.extend([1.0] * (MIN_SCORINGS - 1))
    assert not latency_leaves(BOUNDS, arm)
    arm.score_seconds.append(1.0)
    assert latency_leaves(BOUNDS, arm)
