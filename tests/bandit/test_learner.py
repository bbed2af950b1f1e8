from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.errors import CatalogueError, CreativeError, SnapshotError
from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome
from bandit.snapshot import latest, load, load_memory, versions
from bandit.space import CreativeCatalogue

if TYPE_CHECKING:
    from pathlib import Path


def batch(num: int, seed: int) -> list[CreativeOutcome]:
    """Visitors of even sites click on short headlines, those of odd sites on questions."""
    rng = np.random.default_rng(seed)
    outcomes = []
    for _ in range(num):
        site, headline = int(rng.integers(4)), str(rng.choice(["short", "question"]))
        reward = float((headline == "short") == (site % 2 == 0))
        outcomes.append(CreativeOutcome("text", {"site": site}, {"headline": headline}, reward))
    return outcomes


def test_learner_finds_who_likes_what(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    learner = CreativeLearner(catalogue, tmp_path, LearnerSettings())
    version = learner.learn(batch(2000, seed=0), sequence=2000, created_at=1e9)
    selector = load(tmp_path, version).selector()
    for site in range(4):
        liked = {"headline": "short" if site % 2 == 0 else "question"}
        shown = [selector.select("text", {"site": site}, draw, 0.5).elements for draw in range(128)]
        assert shown.count(liked) == 128


def test_first_snapshot_is_the_prior(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    learner = CreativeLearner(catalogue, tmp_path, LearnerSettings())
    start = learner.start(1e9)
    assert (start.provenance.sequence, start.provenance.num_outcomes) == (0, 0)
    version = learner.learn(batch(10, seed=0), sequence=10, created_at=1e9)
    assert load(tmp_path, version).provenance.parent == start.version


def test_batch_sent_twice_is_learned_once(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    learner = CreativeLearner(catalogue, tmp_path, LearnerSettings())
    version = learner.learn(batch(50, seed=0), sequence=50, created_at=1e9)
    assert learner.learn(batch(50, seed=0), sequence=50, created_at=2e9) == version
    assert learner.learn(batch(5, seed=1), sequence=49, created_at=2e9) == version
    assert [sequence for sequence, _ in versions(tmp_path)] == [0, 50]


def test_learner_goes_on_after_a_restart(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    straight = CreativeLearner(catalogue, tmp_path / "straight", LearnerSettings())
    straight.learn(batch(50, seed=0), 50, 1e9)
    expected = straight.learn(batch(50, seed=1), 100, 1e9)
    CreativeLearner(catalogue, tmp_path / "restarted", LearnerSettings()).learn(batch(50, seed=0), 50, 1e9)
    restarted = CreativeLearner(catalogue, tmp_path / "restarted", LearnerSettings())
    assert restarted.learn(batch(50, seed=1), 100, 1e9) == expected
    assert load(tmp_path / "restarted", expected).provenance.num_outcomes == 100


def test_folding_loses_little(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    selectors = []
    for capacity in (0, 1000):
        settings = LearnerSettings(capacity=capacity)
        learner = CreativeLearner(catalogue, tmp_path / str(capacity), settings)
        for number in range(4):
            version = learner.learn(batch(500, seed=number), number + 1, 1e9)
        assert len(load_memory(learner.root, version).cells.rows) == (0 if capacity == 0 else 8)
        selectors.append(load(learner.root, version).selector())
    for site in range(4):
        one, other = (selector.propensities("text", {"site": site}) for selector in selectors)
        assert one == pytest.approx(other, abs=0.02)


def test_unknown_element_teaches_nothing(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    learner = CreativeLearner(catalogue, tmp_path, LearnerSettings())
    bad = CreativeOutcome("text", {"site": 0}, {"headline": "loud"}, 1.0)
    with pytest.raises(CatalogueError, match="loud"):
        learner.learn([*batch(5, seed=0), bad], sequence=6, created_at=1e9)
    assert [sequence for sequence, _ in versions(tmp_path)] == [0]


def test_old_snapshots_are_pruned(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    learner = CreativeLearner(catalogue, tmp_path, LearnerSettings(keep=2))
    for number in range(1, 5):
        learner.learn(batch(5, seed=number), sequence=number, created_at=1e9)
    assert [sequence for sequence, _ in versions(tmp_path)] == [3, 4]


def test_changed_catalogue_carries_the_belief_over(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    CreativeLearner(catalogue, tmp_path, LearnerSettings()).learn(batch(2000, seed=0), 2000, 1e9)
    headlines = replace(catalogue.slots[1], elements=("rhyme", *catalogue.slots[1].elements))
    grown = replace(catalogue, slots=(catalogue.slots[0], headlines, catalogue.slots[2]))
    learner = CreativeLearner(grown, tmp_path, LearnerSettings())
    carried = learner.start(2e9)
    assert carried.catalogue == grown
    assert (carried.provenance.sequence, carried.provenance.num_outcomes) == (2000, 2000)
    assert latest(tmp_path) == carried.version
    assert carried.selector().select("text", {"site": 1}, 0, 0.5).elements == {"headline": "question"}
    assert learner.start(3e9) == carried
    assert learner.learn(batch(10, seed=1), 2010, 3e9) == latest(tmp_path)


def test_another_number_of_factors_is_refused(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    CreativeLearner(catalogue, tmp_path, LearnerSettings(num_factors=3)).start(1e9)
    with pytest.raises(SnapshotError, match="num_factors = 4"):
        CreativeLearner(catalogue, tmp_path, LearnerSettings(num_factors=4))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_factors", 0),
        ("power", 0.0),
        ("power", 1.1),
        ("num_draws", 0),
        ("floor", -0.1),
        ("linear_temperature", -1.0),
        ("factors_temperature", -1.0),
        ("capacity", -1),
        ("keep", 0),
    ],
)
def test_broken_setting_names_itself(name: str, value: float) -> None:
    with pytest.raises(CreativeError) as raised:
        replace(LearnerSettings(), **{name: value})
    assert (raised.value.field, raised.value.value) == (name, value)
