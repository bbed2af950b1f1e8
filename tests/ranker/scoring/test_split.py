from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.errors import InvalidInputError
from ranker.scoring.dataset import ClickLog
from ranker.scoring.schema import UNKNOWN, FeatureSchema, Field
from ranker.scoring.split import complete_schema, hash_uniform, split_rows


def make(clicks: list[int], time: list[float] | None = None, colours: list[str] | None = None) -> ClickLog:
    return ClickLog(
        numeric=np.zeros((len(clicks), 0), np.float32),
        categorical=(pa.array(colours),) if colours else (),
        clicks=np.array(clicks, dtype=np.float64),
        time=None if time is None else np.array(time),
        num_bad_rows=0,
        sha256="",
    )


def test_later_rows_judge_earlier_ones() -> None:
    time = [9.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    split = split_rows(make([1, 1, 0, 0, 0, 0, 0, 0, 1, 0], time), seed=0)
    assert split.train.tolist() == [1, 2, 3, 4, 5, 6]
    assert split.validation.tolist() == [7, 8]
    assert split.test.tolist() == [0, 9]
    assert split.method == "time"


@given(st.lists(st.integers(0, 3), min_size=40, max_size=60))
def test_no_instant_is_in_two_parts(time: list[int]) -> None:
    try:
        split = split_rows(
            make([1, 0] * (len(time) // 2) + [0] * (len(time) % 2), [float(t) for t in time]), 0
        )
    except InvalidInputError:
        return  # so many equal times that a part is empty
    parts = [{time[row] for row in rows} for rows in split.parts().values()]
    assert max(parts[0]) < min(parts[1]) <= max(parts[1]) < min(parts[2])
    assert sum(len(rows) for rows in split.parts().values()) == len(time)


def test_without_times_appending_rows_moves_no_other_row() -> None:
    short, long = make([1, 0] * 100), make([1, 0] * 150)
    for name, rows in split_rows(short, 3).parts().items():
        longer = split_rows(long, 3).parts()[name]
        assert rows.tolist() == longer[longer < 200].tolist()
    assert split_rows(short, 4).test.tolist() != split_rows(short, 3).test.tolist()


def test_the_hash_is_uniform_and_parts_have_their_share() -> None:
    # 20,000 uniform numbers: the share below q has deviation √(q (1 − q) / n) ≤ 0.0035; allow 4 of them.
    values = hash_uniform(np.arange(20_000), 5)
    for q in (0.1, 0.5, 0.6, 0.9):
        assert abs((values < q).mean() - q) < 0.015
    assert values.min() >= 0.0
    assert values.max() < 1.0


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_without_clicks_is_refused(part: str) -> None:
    rows = {"train": range(6), "validation": range(6, 8), "test": range(8, 10)}[part]
    clicks = [0 if row in rows else row % 2 for row in range(10)]
    with pytest.raises(InvalidInputError, match=f"clicks of the {part} part = '0 of {len(rows)}'"):
        split_rows(make(clicks, [float(row) for row in range(10)]), seed=0)


def test_a_vocabulary_knows_training_rows_alone_and_shares_id_0_among_the_rare() -> None:
    log = make([0] * 6, colours=["red", "blue", "red", "green", "", "pink"])
    field = Field("colour", "categorical", "context", min_count=1)
    schema = FeatureSchema("s", "click", (field, Field("price", "numeric", "candidate")))
    complete = complete_schema(schema, log, np.arange(5))
    assert complete.fields[0].vocabulary == (UNKNOWN, "", "blue", "green", "red")
    assert complete.fields[1] == schema.fields[1]
    rare = FeatureSchema("s", "click", (Field("colour", "categorical", "context", min_count=2),))
    assert complete_schema(rare, log, np.arange(5)).fields[0].vocabulary == (UNKNOWN, "red")


def test_a_given_vocabulary_stays() -> None:
    field = Field("colour", "categorical", "context", vocabulary=(UNKNOWN, "pink"))
    schema = FeatureSchema("s", "click", (field,))
    assert complete_schema(schema, make([0], colours=["red"]), np.arange(1)) == schema
