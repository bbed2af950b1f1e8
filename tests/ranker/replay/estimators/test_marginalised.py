"""MIPS: by hand, then exact in expectation where the reward is the elements' alone."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.estimators.marginalised import (
    embedding_codes,
    embedding_weights,
    mean_weight_by_embedding,
)

ELEMENTS = np.array([[t, i, c] for t in range(3) for i in range(2) for c in range(4)])  # 24 compositions


def test_compositions_that_agree_in_the_slots_share_a_code() -> None:
    codes = embedding_codes(np.array([[0, 1], [0, 2], [1, 1]]), (0,))
    np.testing.assert_array_equal(codes, [0, 0, 1])
    np.testing.assert_array_equal(embedding_codes(ELEMENTS, ()), np.zeros(24))


def test_the_weight_by_hand() -> None:
    target, logging = np.array([[0.7, 0.2, 0.1]]), np.array([[0.1, 0.5, 0.4]])
    found = embedding_weights(target, logging, np.array([0, 0, 1]), np.array([1]))
    np.testing.assert_allclose(found, 0.9 / 0.6)


def test_the_full_composition_gives_the_plain_weight() -> None:
    rng = np.random.default_rng(1)
    target, logging = rng.dirichlet(np.ones(24), size=(2, 50))
    actions = rng.integers(24, size=50)
    found = embedding_weights(target, logging, embedding_codes(ELEMENTS, (0, 1, 2)), actions)
    rows = np.arange(50)
    np.testing.assert_allclose(found, target[rows, actions] / logging[rows, actions])


def test_it_is_exact_in_expectation_where_the_reward_depends_on_the_slots_alone_and_varies_less() -> None:
    rng = np.random.default_rng(2)
    target, logging = rng.dirichlet(np.ones(24) * 0.5, size=(2, 1))
    codes = embedding_codes(ELEMENTS, (0, 1))
    ctr = rng.random(6)[codes]
    every = np.arange(24)
    weights = embedding_weights(np.tile(target, (24, 1)), np.tile(logging, (24, 1)), codes, every)
    assert float((logging[0] * weights * ctr).sum()) == pytest.approx(
        float((target[0] * ctr).sum()), abs=1e-12
    )
    plain = target[0] / logging[0]
    assert float((logging[0] * weights**2).sum()) < float((logging[0] * plain**2).sum())


def test_the_mean_weight_of_an_embedding_needs_no_distribution() -> None:
    found = mean_weight_by_embedding(np.array([1.0, 3.0, 0.5]), np.array([7, 7, 2]))
    np.testing.assert_allclose(found, [2.0, 2.0, 0.5])


def test_a_composition_that_could_not_be_logged_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"logging\[0\]"):
        embedding_weights(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]), np.array([0, 1]), np.array([1]))


def test_a_slot_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="slots"):
        embedding_codes(ELEMENTS, (3,))
