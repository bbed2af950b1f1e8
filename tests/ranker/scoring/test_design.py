from __future__ import annotations

import numpy as np

from ranker.scoring.design import Design, fit_design

IDS = np.array([2, 3])


def test_features_are_standardised_numbers_then_indicators() -> None:
    design = fit_design(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32), IDS)
    features = design.features(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32), np.array([[0, 2], [1, 0]]))
    # Mean 2 and deviation 1; the constant column becomes 0. Then the ids of size 2, then those of size 3.
    expected = [[-1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]]
    np.testing.assert_array_equal(features.toarray(), expected)
    assert design.num_features == 7


def test_numbers_beyond_the_training_range_count_as_its_ends() -> None:
    design = fit_design(np.array([[1.0], [3.0]], np.float32), np.zeros(0, np.int64))
    no_ids = np.zeros((2, 0), np.int64)
    features = design.features(np.array([[-9.0], [9.0]], np.float32), no_ids)
    assert features.toarray().tolist() == [[-1.0], [1.0]]


def test_a_design_may_lack_numbers() -> None:
    design = fit_design(np.zeros((1, 0), np.float32), IDS)
    assert isinstance(design, Design)
    assert design.features(np.zeros((1, 0), np.float32), np.array([[1, 1]])).toarray().tolist() == [
        [0, 1, 0, 1, 0]
    ]
