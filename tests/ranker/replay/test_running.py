"""One pass over a log: the same numbers by one process, by several, and on Ray."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.estimators import ips, snips
from ranker.replay.evaluation import values
from ranker.replay.policies import ColumnPolicy, TablePolicy
from ranker.replay.readers import Part, ReadOptions, parts_of
from ranker.replay.running import Engine, Pass, run_pass

TASK = Pass(
    (ColumnPolicy("new", "new"), ColumnPolicy("old", "propensity")),
    ReadOptions(contexts=("new", "propensity")),
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    rng = np.random.default_rng(1)
    for day in range(3):
        propensity = rng.choice([0.2, 0.4, 0.8], 2000)
        columns = {
            "action": rng.choice(["a", "b"], 2000),
            "reward": (rng.random(2000) < 0.2).astype(float),
            "propensity": propensity,
            "new": rng.random(2000) * propensity,
        }
        parquet.write_table(pa.table(columns), folder / f"{day}.parquet", row_group_size=900)
    return folder


def test_the_values_are_those_of_the_whole_log_at_once(log: Path) -> None:
    found = run_pass(TASK, parts_of(log), num_workers=1)
    table = pa.concat_tables(parquet.read_table(f) for f in sorted(log.iterdir()))
    reward, weight = (table[n].to_numpy() for n in ("reward", "new"))
    weight = weight / table["propensity"].to_numpy()
    assert found.num_rows == 6000
    assert values(found.moments[0])["IPS"] == pytest.approx(ips(reward, weight), rel=1e-12)
    assert values(found.moments[0])["SNIPS"] == pytest.approx(snips(reward, weight), rel=1e-12)
    assert values(found.moments[1])["IPS"] == pytest.approx(reward.mean(), rel=1e-12)


def test_several_processes_give_the_same_bytes_as_one(log: Path) -> None:
    seen = []
    alone = run_pass(TASK, parts_of(log), num_workers=1)
    together = run_pass(TASK, parts_of(log), num_workers=2, progress=lambda *step: seen.append(step))
    for a, b in zip(alone.moments, together.moments, strict=True):
        assert a.sums.tobytes() == b.sums.tobytes()
    assert seen[-1] == (9, 9)


def test_ray_gives_the_same_bytes_or_says_what_to_install(log: Path) -> None:
    try:
        import ray
    except ModuleNotFoundError:
        with pytest.raises(InvalidInputError, match=r"adranker\[cluster\]"):
            run_pass(TASK, parts_of(log), Engine.RAY)
        return
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        on_ray = run_pass(TASK, parts_of(log), Engine.RAY)
    finally:
        ray.shutdown()
    alone = run_pass(TASK, parts_of(log), num_workers=1)
    for a, b in zip(alone.moments, on_ray.moments, strict=True):
        assert a.sums.tobytes() == b.sums.tobytes()


def test_too_many_bad_rows_stop_the_pass(tmp_path: Path) -> None:
    columns = {"action": ["a"] * 4, "reward": [1.0] * 4, "propensity": [0.5, 0.5, 3.0, 3.0], "new": [0.5] * 4}
    parquet.write_table(pa.table(columns), tmp_path / "log.parquet")
    with pytest.raises(InvalidInputError, match="2 of 4 rows cannot be used"):
        run_pass(TASK, parts_of(tmp_path), num_workers=1)
    lenient = replace(TASK, options=replace(TASK.options, max_bad_ratio=0.5))
    found = run_pass(lenient, parts_of(tmp_path), num_workers=1)
    assert (found.num_rows, found.rejected[0].count) == (2, 2)


def test_a_part_that_is_gone_is_an_error(log: Path) -> None:
    part = parts_of(log)[0]
    with pytest.raises(FileNotFoundError):
        run_pass(TASK, (Part(part.file + ".gone.parquet", part.format),), num_workers=1)


def test_what_a_worker_finds_wrong_is_said_as_one_process_says_it(log: Path) -> None:
    task = replace(TASK, policies=(TablePolicy("narrow", {"a": (1.0,), "b": (0.0,)}),))
    for day in range(2):
        table = pa.table({"action": ["a"], "reward": [0.0], "propensity": [0.5], "position": [day]})
        parquet.write_table(table, log / f"wide-{day}.parquet")
    parts = parts_of(log / "wide-0.parquet") + parts_of(log / "wide-1.parquet")
    task = replace(task, options=ReadOptions())
    for num_workers in (1, 2):
        with pytest.raises(InvalidInputError, match="position = 1: policy narrow has only 1"):
            run_pass(task, parts, num_workers=num_workers)
