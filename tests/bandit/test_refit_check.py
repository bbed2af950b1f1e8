from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.errors import CreativeError
from bandit.fm import Parameters
from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import Cells, CreativeOutcome
from bandit.posterior import Posterior
from bandit.refit_check import disagreement
from bandit.snapshot import load
from bandit.streaming import absorb

if TYPE_CHECKING:
    from pathlib import Path

    from bandit.space import CreativeCatalogue


def certain(linear: list[float]) -> Posterior:
    num = len(linear)
    return Posterior(
        Parameters(np.zeros(()), np.array(linear), np.zeros((num, 1))),
        Parameters(np.array(0.1), np.full(num, 0.1), np.full((num, 1), 0.1)),
    )


def test_disagreement_is_the_mean_difference_of_the_rates() -> None:
    cells = Cells(np.array([[0], [1]], np.int32), np.array([30.0, 10.0]), np.zeros(2))
    # Rates ¾ against ½ in 30 impressions, ½ against ½ in 10: 7.5 of 20.
    assert disagreement(certain([np.log(3.0), 0.0]), certain([0.0, 0.0]), cells) == pytest.approx(7.5 / 20.0)


def test_without_cells_there_is_nothing_to_disagree_about() -> None:
    assert (
        disagreement(certain([1.0]), certain([0.0]), Cells(np.empty((0, 1), np.int32), *np.empty((2, 0))))
        == 0.0
    )


def outcomes(num: int) -> list[CreativeOutcome]:
    return [
        CreativeOutcome(
            "text", {"site": n % 4}, {"headline": ("short", "question")[n % 2]}, float(n % 3 == 0)
        )
        for n in range(num)
    ]


def stubborn(base: Posterior, cells: Cells, start: Posterior) -> Posterior:
    """A reference that learns nothing."""
    del cells, start
    return base


def test_comparison_is_made_on_schedule_and_warns(
    tmp_path: Path, catalogue: CreativeCatalogue, caplog: pytest.LogCaptureFixture
) -> None:
    settings = LearnerSettings(check_every=2)
    learner = CreativeLearner(catalogue, tmp_path, settings, absorb, stubborn)
    found = []
    with caplog.at_level(logging.WARNING):
        for number in range(1, 5):
            version = learner.learn(outcomes(300), number, 1e9)
            found.append(load(tmp_path, version).provenance.disagreement)
    assert [value is None for value in found] == [True, False, True, False]
    assert all(value > 0.05 for value in found if value is not None)
    assert caplog.text.count("reference fit") == 2


def test_fits_that_agree_are_recorded_without_a_warning(
    tmp_path: Path, catalogue: CreativeCatalogue, caplog: pytest.LogCaptureFixture
) -> None:
    learner = CreativeLearner(catalogue, tmp_path, LearnerSettings(check_every=1), absorb, absorb)
    found = load(tmp_path, learner.learn(outcomes(300), 1, 1e9)).provenance.disagreement
    assert found is not None
    assert found < 0.01
    assert not caplog.records


def test_check_without_a_reference_is_refused(tmp_path: Path, catalogue: CreativeCatalogue) -> None:
    with pytest.raises(CreativeError, match="check_every = 3"):
        CreativeLearner(catalogue, tmp_path, LearnerSettings(check_every=3))
