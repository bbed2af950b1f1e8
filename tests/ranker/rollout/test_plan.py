"""Who gets which model."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.rollout.plan import Arm, Bounds, Experiment, Rollout, Shadow, assign, unit_point

UNITS = [f"user {i}" for i in range(4000)]


def rollout(*shares: float, name: str = "e") -> Rollout:
    arms = tuple(Arm(f"arm{i}", f"v{i}", share) for i, share in enumerate(shares))
    return Rollout("v", Experiment(name, arms))


def arms_of(plan: Rollout) -> list[str]:
    return [assign(plan, unit).arm for unit in UNITS]


def test_without_an_experiment_everybody_gets_the_pinned_model():
    assert assign(Rollout("v"), "u").version == "v"
    assert assign(Rollout(), "u").version == ""
    assert assign(Rollout("v"), "u").experiment == assign(Rollout("v"), "u").arm == ""


def test_shares_of_the_units_get_the_arms_and_the_rest_is_control():
    found = arms_of(rollout(0.1, 0.3))
    for arm, share in (("arm0", 0.1), ("arm1", 0.3), ("control", 0.6)):
        # Binomial: five standard deviations.
        assert abs(found.count(arm) / len(UNITS) - share) < 5 * np.sqrt(share * (1 - share) / len(UNITS))


def test_a_unit_keeps_its_arm_and_a_growing_canary_only_gains_units():
    small, large = arms_of(rollout(0.1)), arms_of(rollout(0.4))
    assert small == arms_of(rollout(0.1))
    assert all(after == "arm0" for before, after in zip(small, large, strict=True) if before == "arm0")


def test_a_last_arm_that_grows_moves_nobody_between_the_others():
    for before, after in zip(arms_of(rollout(0.2, 0.1)), arms_of(rollout(0.2, 0.5)), strict=True):
        assert before == after or (before, after) == ("control", "arm1")


def test_experiments_share_out_independently():
    first = np.array([unit_point("e", unit) for unit in UNITS])
    second = np.array([unit_point("f", unit) for unit in UNITS])
    # The correlation of independent points has a standard deviation of 1/√n = 0.016.
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(len(UNITS))


def test_the_point_of_a_unit_stays_what_it_is_in_every_release():
    assert unit_point("e", "u") == pytest.approx(0.8912266626648944, abs=1e-15)


def test_an_arm_of_everybody_leaves_no_control():
    assert set(arms_of(rollout(1.0))) == {"arm0"}


def test_the_models_of_a_rollout_are_those_that_it_names():
    plan = Rollout("v", rollout(0.1, 0.2).experiment, Shadow("s"))
    assert plan.versions == {"v", "v0", "v1", "s"}
    assert Rollout().versions == set()


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Arm("", "v", 0.5), "arm"),
        (lambda: Arm("control", "v", 0.5), "arm"),
        (lambda: Arm("a" * 65, "v", 0.5), "arm"),
        (lambda: Arm("a", "", 0.5), "arm.version"),
        (lambda: Arm("a", "v", 0.0), "share"),
        (lambda: Arm("a", "v", float("nan")), "share"),
        (lambda: Shadow("v", 1.5), "shadow.share"),
        (lambda: Experiment("e", ()), "experiment.arms"),
        (lambda: Experiment("", (Arm("a", "v", 0.5),)), "experiment"),
        (lambda: Experiment("e", (Arm("a", "v", 0.5), Arm("a", "w", 0.1))), "experiment.arms"),
        (lambda: Experiment("e", (Arm("a", "v", 0.5), Arm("b", "w", 0.6))), "experiment.arms"),
        (lambda: Rollout("", Experiment("e", (Arm("a", "v", 0.5),))), "pinned"),
        (lambda: Bounds(max_calibration_ratio=1.0), "max_calibration_ratio"),
        (lambda: Bounds(max_score_seconds=0.0), "max_score_seconds"),
    ],
)
def test_what_is_no_rollout_is_refused(make, field):
    with pytest.raises(InvalidInputError) as refused:
        make()
    assert refused.value.field == field
