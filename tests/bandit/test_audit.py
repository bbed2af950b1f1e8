from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.audit import LoggedChoice, discrepancies
from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome
from bandit.snapshot import load

if TYPE_CHECKING:
    from pathlib import Path

    from bandit.space import CreativeCatalogue
    from bandit.thompson import Selection, ThompsonSelector


def logged(selector: ThompsonSelector, selection: Selection, context: dict[str, int]) -> LoggedChoice:
    return LoggedChoice(
        selector.version,
        selection.space_id,
        context,
        selection.elements,
        selection.propensity,
        selection.draw,
        selection.floor,
        selection.feasible_hash,
        selection.pool_seed,
    )


@pytest.fixture(params=[0.0, 0.1])
def learner(catalogue: CreativeCatalogue, tmp_path: Path, request: pytest.FixtureRequest) -> CreativeLearner:
    return CreativeLearner(catalogue, tmp_path, LearnerSettings(num_draws=16, floor=request.param))


def play(learner: CreativeLearner, root: Path, seed: int) -> list[LoggedChoice]:
    """Serves and learns three versions; returns the log."""
    rng = np.random.default_rng(seed)
    log, version = [], learner.start(0.0).version
    for batch in range(3):
        selector = load(root, version).selector()
        outcomes = []
        for _ in range(40):
            context = {"hour": int(rng.integers(3)), "site": int(rng.integers(4))}
            selection = selector.select("banner", context, int(rng.integers(16)), float(rng.random()))
            log.append(logged(selector, selection, context))
            outcomes.append(CreativeOutcome("banner", context, selection.elements, float(rng.random() < 0.3)))
        version = learner.learn(outcomes, 40 * (batch + 1), 0.0)
    return log


def test_log_of_a_learning_policy_is_verified_from_its_snapshots(
    learner: CreativeLearner, tmp_path: Path
) -> None:
    log = play(learner, tmp_path, 0)
    selectors = {version: load(tmp_path, version).selector() for version in {c.version for c in log}}
    assert len(selectors) == 3
    assert [discrepancies(choice, selectors[choice.version]) for choice in log] == [[]] * 120


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "0" * 16),
        ("pool_seed", 99),
        ("floor", 0.5),
        ("feasible_hash", "other"),
        ("propensity", 0.123),
        ("draw", 16),
        ("space_id", "video"),
        ("elements", {"picture": "cat", "headline": "short", "colour": "red"}),
    ],
)
def test_altered_log_is_found(learner: CreativeLearner, tmp_path: Path, field: str, value: object) -> None:
    choice = play(learner, tmp_path, 1)[-1]
    selector = load(tmp_path, choice.version).selector()
    altered = replace(choice, **{field: value})
    names = [discrepancy.field for discrepancy in discrepancies(altered, selector)]
    assert len(names) == 1
    assert names[0] == {"elements": "composition"}.get(field, field)
