"""The columns of a log refuse what is no log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.logged_batch import Defect, LoggedBatch, Rejection, tally, weighted_rows
from ranker.replay.policies import ColumnPolicy, TablePolicy

BATCH = LoggedBatch(
    actions=np.array([0, 1]),
    rewards=np.array([1.0, 0.0]),
    propensities=np.array([0.5, 0.25]),
    positions=np.array([0, 1]),
    loggers=np.zeros(2, np.int64),
    requests=np.arange(2),
    contexts={"new": np.array([1.0, 0.5])},
    action_names=("a", "b"),
)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rewards": np.zeros((2, 1))}, "rewards.shape"),
        ({"rewards": np.array([0.0, np.nan])}, "rewards[1]"),
        ({"propensities": np.array([0.0, 1.0])}, "propensities[0]"),
        ({"propensities": np.array([0.5, 1.5])}, "propensities[1]"),
        ({"actions": np.array([0, 2])}, "actions"),
        ({"positions": np.array([0, -1])}, "positions"),
        ({"requests": np.arange(3)}, "requests.shape"),
        ({"contexts": {"x": np.zeros(3)}}, "x.shape"),
    ],
)
def test_a_broken_column_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        replace(BATCH, **change)  # type: ignore[arg-type]
    assert error.value.field == field


def test_weights_are_how_much_more_often_the_policy_does_what_was_logged() -> None:
    np.testing.assert_array_equal(weighted_rows(BATCH, ColumnPolicy("new", "new")).weights, [2.0, 2.0])
    table = TablePolicy("table", {"a": (0.75, 0.0), "b": (0.25, 1.0)})
    np.testing.assert_array_equal(weighted_rows(BATCH, table).weights, [1.5, 4.0])
    np.testing.assert_array_equal(table.distribution(BATCH), [[0.75, 0.25], [0.0, 1.0]])


def test_a_policy_that_names_other_actions_never_does_what_was_logged() -> None:
    assert (TablePolicy("other", {"z": (1.0, 1.0)}).propensities(BATCH) == 0).all()


@pytest.mark.parametrize("chances", [{"a": (0.5,)}, {"a": (1.5,), "b": (-0.5,)}, {}])
def test_a_table_that_is_no_distribution_is_refused(chances: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(InvalidInputError, match="chances"):
        TablePolicy("bad", chances)


def test_a_column_that_was_not_read_is_named() -> None:
    with pytest.raises(InvalidInputError, match="missing"):
        ColumnPolicy("x", "missing").propensities(BATCH)


def test_rejections_add_up_by_file_and_reason_and_keep_the_first_example() -> None:
    late = Rejection(Defect.NO_REWARD, 2, "f", 9, "reward", "x")
    early = Rejection(Defect.NO_REWARD, 1, "f", 3, "reward", "y")
    other = Rejection(Defect.NO_ACTION, 1, "f", 1, "action", "")
    found = tally([late, early, other])
    assert found == (other, Rejection(Defect.NO_REWARD, 3, "f", 3, "reward", "y"))
