from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.delay import CompletionCurve
from bandit.errors import CatalogueError, CreativeError, SnapshotError
from bandit.features import FeatureIndex
from bandit.fm import logits
from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome, Pending
from bandit.snapshot import last_epoch, latest, load, load_memory, versions
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
        ("composition_temperature", -1.0),
        ("capacity", -1),
        ("keep", 0),
    ],
)
def test_broken_setting_names_itself(name: str, value: float) -> None:
    with pytest.raises(CreativeError) as raised:
        replace(LearnerSettings(), **{name: value})
    assert (raised.value.field, raised.value.value) == (name, value)


def test_pending_impressions_count_by_what_has_arrived_and_only_once(
    tmp_path: Path, catalogue: CreativeCatalogue
) -> None:
    shown = [("text", {"site": 1}, {"headline": "short"})] * 40
    curve = CompletionCurve(np.array([10.0, 20.0]), np.array([0.25, 1.0]))
    rates = []
    for name, age in (("none", None), ("young", 15.0), ("old", 30.0)):
        learner = CreativeLearner(catalogue, tmp_path / name, LearnerSettings())
        pending = None if age is None else Pending(shown, np.full(40, age), curve)
        found = load(learner.root, learner.learn(batch(100, seed=0), 100, 1e9, pending))
        # Neither clicks nor impressions of them are remembered.
        memory = load_memory(learner.root, found.version)
        assert memory.cells.num_impressions.sum() == 100.0
        row = FeatureIndex(catalogue).rows("text", {"site": 1}, {"headline": "short"})
        rates.append(float(logits(found.posterior.loc, row[None])[0]))
    assert rates[2] < rates[1] < rates[0]


@pytest.mark.parametrize("ages", [np.ones(2), np.array([-1.0])])
def test_impossible_ages_are_named(ages: np.ndarray) -> None:
    curve = CompletionCurve(np.array([1.0]), np.array([1.0]))
    with pytest.raises(CreativeError, match="ages_seconds"):
        Pending([("text", {"site": 1}, {"headline": "short"})], ages, curve)


def test_changed_effect_is_told(
    tmp_path: Path, catalogue: CreativeCatalogue, caplog: pytest.LogCaptureFixture
) -> None:
    def liked(num: int, headline: str, seed: int) -> list[CreativeOutcome]:
        rng = np.random.default_rng(seed)
        texts = rng.choice(["short", "question"], num)
        clicks = rng.random(num) < np.where(texts == headline, 0.4, 0.2)
        return [
            CreativeOutcome("text", {"site": n % 4}, {"headline": str(text)}, float(click))
            for n, (text, click) in enumerate(zip(texts, clicks, strict=True))
        ]

    learner = CreativeLearner(catalogue, tmp_path, LearnerSettings())
    for number in range(1, 4):
        learner.learn(liked(2000, "short", number), number, 1e9)
    assert not caplog.records
    for number in range(4, 7):
        learner.learn(liked(2000, "question", number), number, 1e9)
    assert "has changed" in caplog.text


def test_what_a_predecessor_still_writes_is_never_the_latest(
    tmp_path: Path, catalogue: CreativeCatalogue
) -> None:
    first = CreativeLearner(catalogue, tmp_path, LearnerSettings())
    first.take_over(1, 1.0)
    known = first.learn(batch(50, 0), 50, 2.0)
    second = CreativeLearner(catalogue, tmp_path, LearnerSettings())
    taken = second.take_over(2, 3.0)
    assert taken.provenance.parent == known
    assert np.array_equal(taken.posterior.loc.factors, load(tmp_path, known).posterior.loc.factors)
    first.learn(batch(200, 1), 200, 4.0)  # it woke up, and has learned more
    assert latest(tmp_path) == taken.version
    learned = second.learn(batch(20, 2), 70, 5.0)
    assert latest(tmp_path) == learned
    assert last_epoch(tmp_path) == 2
    assert load(tmp_path, learned).provenance.num_outcomes == 70


def test_an_epoch_that_is_not_higher_is_refused(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    CreativeLearner(catalogue, tmp_path, LearnerSettings()).take_over(2, 1.0)
    late = CreativeLearner(catalogue, tmp_path, LearnerSettings())
    for epoch in (1, 2):
        with pytest.raises(SnapshotError, match=f"epoch = {epoch}: the latest posterior is of epoch 2"):
            late.take_over(epoch, 2.0)
