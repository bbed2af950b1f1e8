"""A net is split by a block's operations, and each copy learns and judges its own."""

from __future__ import annotations

import numpy as np
import pytest

from nas.errors import SearchError
from nas.space import Architecture
from nas.strategies.few_shot import FewShotModel
from nas.strategies.slopes import Shares


class Counting:
    """Remembers what it was taught; its loss is how much that was, its copies begin with it."""

    def __init__(self, learnt: list[Shares] | None = None) -> None:
        self.learnt = learnt or []
        self.copies: list[Counting] = []

    def learn(self, shares: Shares) -> None:
        self.learnt.append(shares)

    def loss(self, architecture: Architecture) -> float:  # noqa: ARG002
        return float(len(self.learnt))

    def copy(self) -> Counting:
        self.copies.append(Counting(list(self.learnt)))
        return self.copies[-1]


EVEN = (np.full(2, 0.5), np.full(3, 1.0 / 3.0))


def test_copies_take_turns_with_their_own_operations() -> None:
    model = Counting()
    few_shot = FewShotModel(model, 1, ((0,), (1, 2)), split_after=4)
    for _ in range(4):
        few_shot.learn(EVEN)
    assert few_shot.loss((0, 0)) == 4.0
    for _ in range(3):
        few_shot.learn(EVEN)
    assert len(model.learnt) == 4
    np.testing.assert_allclose(model.copies[0].learnt[-1][1], [1.0, 0.0, 0.0])
    np.testing.assert_allclose(model.copies[1].learnt[-1][1], [0.0, 0.5, 0.5])
    np.testing.assert_allclose(model.copies[1].learnt[-1][0], [0.5, 0.5])
    assert (few_shot.loss((0, 0)), few_shot.loss((0, 1)), few_shot.loss((1, 2))) == (6.0, 5.0, 5.0)


def test_operations_of_a_part_that_were_left_out_come_back() -> None:
    model = Counting()
    few_shot = FewShotModel(model, 1, ((0,), (1, 2)), split_after=1)
    for _ in range(2):
        few_shot.learn((EVEN[0], np.array([0.0, 0.0, 1.0])))
    np.testing.assert_allclose(model.copies[0].learnt[-1][1], [1.0, 0.0, 0.0])


def test_wrong_parts_are_named() -> None:
    with pytest.raises(SearchError, match=r"operators = \(\(0, 1\),\)"):
        FewShotModel(Counting(), 0, ((0, 1),), 1)
    with pytest.raises(SearchError, match="split_after = 0"):
        FewShotModel(Counting(), 0, ((0,), (1,)), 0)
    with pytest.raises(SearchError, match=r"architecture\[1\] = 2: is in none of"):
        FewShotModel(Counting(), 1, ((0,), (1,)), 1).loss((0, 2))
