import shutil
from dataclasses import replace

import numpy as np
import pytest

from ranker.errors import StateError
from ranker.simulation.loop import simulate
from tests.ranker.simulation.worlds import greedy_run, pipeline_run, small_scenario


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.arrays().values(), b.arrays().values(), strict=True))


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    first, again = (simulate(pipeline_run(small_scenario())) for _ in range(2))
    assert same(first, again)
    assert not same(first, simulate(pipeline_run(small_scenario(seed=9))))


def test_a_resumed_run_gives_the_rows_of_one_that_was_not_interrupted(tmp_path):
    whole = simulate(pipeline_run(small_scenario()), tmp_path / "whole")
    # What a kill leaves: the last checkpoint is missing, and a draft lies about.
    interrupted = tmp_path / "interrupted"
    shutil.copytree(tmp_path / "whole", interrupted)
    shutil.rmtree(max(interrupted.glob("batches-*")))
    (interrupted / ".draft").mkdir()
    assert len(list(interrupted.glob("batches-*"))) == 1
    assert same(simulate(pipeline_run(small_scenario()), interrupted), whole)
    assert same(simulate(pipeline_run(small_scenario())), whole)


def test_a_checkpoint_of_another_scenario_is_refused(tmp_path):
    simulate(greedy_run(small_scenario()), tmp_path)
    other = small_scenario()
    other = replace(other, market=replace(other.market, ads=41))
    with pytest.raises(StateError, match="another scenario"):
        simulate(greedy_run(other), tmp_path)


def test_limits_move_attention_to_the_ads_that_they_speak_of():
    scenario = small_scenario()
    present, half, free = (simulate(pipeline_run(scenario, p)) for p in range(3))
    assert half.use[:, 0].mean() > present.use[:, 0].mean()
    assert free.use.shape[1] == 0
    assert free.expected_value.mean() > half.expected_value.mean()


def test_the_model_learns_what_users_like():
    scenario = small_scenario(sessions=4000, sessions_per_day=1000, batch_sessions=500)
    run = greedy_run(scenario)
    rows = simulate(run)
    truth = rows.chance / run.world.attention
    late = rows.number >= rows.number[len(rows) // 2]
    naive = np.full(late.sum(), truth[late].mean())
    error = np.abs(rows.predicted[late, 0] - truth[late, 0]).mean()
    assert error < 0.8 * np.abs(naive - truth[late, 0]).mean()
