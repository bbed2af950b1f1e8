import json
from pathlib import Path

import numpy as np

from bandit.learner import LearnerSettings
from benchmarks.creatives_generated import Knobs, generate
from benchmarks.creatives_in_memory import InMemory
from benchmarks.creatives_ours import Shipped
from benchmarks.creatives_settings import CANDIDATES, NAMES, measured, of_random, settings_of, summary
from benchmarks.creatives_stress import changing
from benchmarks.creatives_tables import Table
from benchmarks.creatives_world import NUM_CREATIVES, SLOT_SIZES, World

SMALL = Knobs(interactions=0.2, slots=2, elements=3, sites=2, days=2, impressions=2_000)


def table() -> Table:
    return generate(SMALL, 3)


def test_learns_what_the_learner_with_files_learns() -> None:
    world, rng = table(), np.random.default_rng(0)
    in_memory, shipped = InMemory(world, LearnerSettings(seed=4000), 4000), Shipped(world, 4)
    for _ in range(2):
        items, chosen = rng.integers(2, size=500), rng.integers(9, size=500)
        clicks = (rng.random(500) < world.ctr[items, chosen]).astype(np.float64)
        in_memory.learn(items, chosen, clicks)
        shipped.learn(items, chosen, clicks)
    one, other = in_memory.posterior, shipped.posterior
    shipped.folder.cleanup()
    assert np.array_equal(one.loc.linear, other.loc.linear)
    assert np.array_equal(one.scale.factors, other.scale.factors)


def test_all_choices_are_the_floors_where_the_floor_is_one() -> None:
    policy = InMemory(table(), LearnerSettings(floor=1.0), 0)
    chosen = policy(np.zeros(9_000, np.int64), np.random.default_rng(0))
    # 1,000 each, with a standard deviation of 30.
    assert np.all(np.abs(np.bincount(chosen, minlength=9) - 1_000) < 150)


def test_a_candidate_changes_what_it_names_and_nothing_else() -> None:
    settings = settings_of((0.2, 0.6, 0.7, 0.8, 0.05))
    assert [getattr(settings, name) for name in NAMES[1:]] == [0.6, 0.7, 0.8, 0.05]
    assert settings.scales.factors == 0.2
    default = LearnerSettings()
    values = default.scales.factors, *(getattr(default, name) for name in NAMES[1:])
    assert values in CANDIDATES
    assert settings_of(values) == default


def test_random_choice_costs_the_mean_gap_to_the_best() -> None:
    gaps = [row.max() - row.mean() for row in table().ctr]
    assert of_random(table()) == np.float64(np.mean(gaps) * 2_000)


def test_a_run_is_played_once_and_summed_up_over_seeds(tmp_path: Path) -> None:
    world = "the site decides"
    first = measured(world, CANDIDATES[0], 0, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(json.dumps(first | {"share": 0.5}))
    assert measured(world, CANDIDATES[0], 0, tmp_path)["share"] == 0.5
    found = summary({"a": [{"share": 0.1, "coverage_90": 0.9}, {"share": 0.3, "coverage_90": 0.8}]})
    assert found["a"] == {"share": 0.2, "worst": 0.3, "coverage": 0.85}
    assert found["all"] == {"share": 0.2, "worst": 0.3}


def test_the_second_day_of_a_changing_world_has_other_rates() -> None:
    creatives = np.stack(np.unravel_index(np.arange(NUM_CREATIVES), SLOT_SIZES), axis=1)
    rates = np.random.default_rng(0).uniform(0.02, 0.1, (3, NUM_CREATIVES))
    feasible = np.ones(rates.shape, np.bool_)
    days = changing(World(np.array([[0, 0], [1, 2], [3, 54]]), creatives, feasible, rates))
    assert days.days == 2
    assert np.array_equal(days.ctr[:3], rates)
    assert not np.allclose(days.ctr[3:], rates)
    assert np.array_equal(days.rows[:3], days.rows[3:])
