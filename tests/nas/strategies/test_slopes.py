"""Strategies by gradient: the steps by hand, and a table's expected value as the loss to descend."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nas.errors import SearchError
from nas.space import ChoiceBlock, SearchSpace
from nas.strategies.darts import Darts, DartsSettings
from nas.strategies.dsnas import Dsnas
from nas.strategies.proxyless import Proxyless
from nas.strategies.slopes import DescentSettings, LogitDescent, softmax, through_softmax
from nas.strategies.snas import Snas, SnasSettings
from nas.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.strategies.slopes import Relaxation, Shares
    from nas.trial import Strategy

SPACE = SearchSpace(tuple(ChoiceBlock(f"block{i}", ("a", "b", "c")) for i in range(4)))
TABLE = np.array([-sum(a) - 4.0 * (a[0] == 2 and a[3] == 2) for a in product(range(3), repeat=4)]).reshape(
    3, 3, 3, 3
)


class ExpectedTable:
    """The expected value of a table over independent blocks: its slopes are exact, it has no weights."""

    def __init__(self) -> None:
        self.learnt: list[Shares] = []

    def learn(self, shares: Shares) -> None:
        self.learnt.append(shares)

    def slopes(self, shares: Shares) -> Shares:
        letters = "abcd"
        return tuple(
            np.einsum(
                f"abcd,{','.join(letters.replace(letter, ''))}->{letter}",
                TABLE,
                *(share for other, share in zip(letters, shares, strict=True) if other != letter),
            )
            for letter in letters
        )


MAKERS: dict[str, Callable[[Relaxation], Strategy]] = {
    "darts": lambda relaxation: Darts(SPACE, relaxation),
    "dsnas": lambda relaxation: Dsnas(SPACE, relaxation, np.random.default_rng(1)),
    "proxyless": lambda relaxation: Proxyless(SPACE, relaxation, np.random.default_rng(1)),
    "snas": lambda relaxation: Snas(SPACE, relaxation, np.random.default_rng(1)),
}


@pytest.mark.parametrize("name", list(MAKERS))
def test_every_strategy_by_gradient_finds_the_best_of_a_table_and_repeats_itself(name: str) -> None:
    found = []
    for _ in range(2):
        strategy = MAKERS[name](ExpectedTable())
        asked = [strategy.ask() for _ in range(8)]
        strategy.tell(Trial(asked[-1], 1.0))
        found.append(asked)
    assert found[0] == found[1]
    assert found[0][-1] == (2, 2, 2, 2)


@pytest.mark.parametrize("name", list(MAKERS))
def test_every_strategy_by_gradient_refuses_a_trial_of_another_space(name: str) -> None:
    with pytest.raises(SearchError, match=r"architecture\[block3\] = 9"):
        MAKERS[name](ExpectedTable()).tell(Trial((0, 0, 0, 9), 1.0))


def test_the_slope_through_softmax_is_that_of_finite_differences() -> None:
    logits, slope = np.array([0.3, -1.0, 0.8]), np.array([1.0, -2.0, 0.5])
    numeric = [(softmax(logits + step) - softmax(logits - step)) @ slope / 2e-6 for step in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(through_softmax(softmax(logits), slope), numeric, rtol=1e-6)


def test_a_first_step_of_adam_has_the_size_of_its_rate_against_the_slope() -> None:
    descent = LogitDescent((2, 3), 0.1)
    descent.step((np.array([5.0, -5.0]), np.array([1e-3, 0.0, -1e-3])))
    np.testing.assert_allclose(descent.logits[0], [-0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(descent.logits[1], [-0.1, 0.0, 0.1], rtol=1e-6)
    assert descent.mode == (1, 2)


def test_darts_trains_the_weights_under_the_shares_of_its_step() -> None:
    table = ExpectedTable()
    darts = Darts(SPACE, table, DartsSettings(rate=0.1, steps=2))
    darts.ask()
    np.testing.assert_allclose(table.learnt[0], np.full((4, 3), 1 / 3))
    # After one step the logits of a block whose slopes are a − b are −0.1, 0 and 0.1 (the middle one's slope
    # through the softmax vanishes where slopes are evenly spaced, as in the two middle blocks).
    np.testing.assert_allclose(table.learnt[1][1], softmax(np.array([-0.1, 0.0, 0.1])), atol=1e-4)
    assert len(table.learnt) == 2


class Answering:
    """One weight w that learns from ½ (w − p)² and is judged by ½ w², p the share of the second of two."""

    def learn(self, shares: Shares) -> None:
        pass

    def slopes(self, shares: Shares) -> Shares:
        return (np.zeros_like(shares[0]),)

    def unrolled_slopes(self, shares: Shares, look_ahead: float) -> Shares:
        # At w = 0: w' = ξ p, d/dp ½ w'² = ξ² p.
        return (np.array([0.0, look_ahead**2 * shares[0][1]]),)


def test_darts_of_second_order_sees_what_the_weights_would_become() -> None:
    block = SearchSpace((ChoiceBlock("block", ("a", "b")),))
    first, second = (Darts(block, Answering(), DartsSettings(0.1, 1, ahead)) for ahead in (0.0, 0.5))
    first.ask()
    second.ask()
    np.testing.assert_array_equal(first.shares[0], [0.5, 0.5])
    np.testing.assert_allclose(second.shares[0], softmax(np.array([0.1, -0.1])), rtol=1e-6)


def test_darts_of_second_order_refuses_a_relaxation_that_has_only_the_first() -> None:
    with pytest.raises(SearchError, match=r"look_ahead = 0\.1: ExpectedTable cannot look ahead"):
        Darts(SPACE, ExpectedTable(), DartsSettings(look_ahead=0.1))


def test_snas_trains_on_draws_that_grow_sharper_and_follow_their_chances() -> None:
    table = ExpectedTable()
    search = Snas(SPACE, table, np.random.default_rng(2), SnasSettings(rate=1e-9, steps=600, cold=0.01))
    search.ask()
    assert search.temperature == pytest.approx(max(3.0 * 0.99**600, 0.01))
    first, last = (
        np.array([draw[0].max() for draw in part]) for part in (table.learnt[:50], table.learnt[-50:])
    )
    assert first.mean() < 0.6
    assert last.mean() > 0.9
    chosen = np.bincount([draw[0].argmax() for draw in table.learnt], minlength=3) / 600
    # Even chances, by the Gumbel trick at any temperature: deviation √(2/9/600) = 0.019; four of them.
    np.testing.assert_allclose(chosen, np.full(3, 1 / 3), atol=0.077)


def test_proxyless_trains_single_paths_and_moves_two_operations_of_a_block_a_step() -> None:
    table = ExpectedTable()
    search = Proxyless(SPACE, table, np.random.default_rng(3), DescentSettings(rate=0.1, steps=1))
    for _ in range(30):
        before = search.shares
        search.ask()
        for old, new in zip(before, search.shares, strict=True):
            # The third keeps its chance, so the other two keep their sum.
            assert np.isclose(old, new, rtol=1e-12).sum() == 1
    for gates in table.learnt:
        assert all(sorted(block.tolist()) == [0.0, 0.0, 1.0] for block in gates)


class GateCosts:
    """One block whose gates cost what they are said to, whichever is open."""

    def __init__(self, *costs: float) -> None:
        self.costs = np.array(costs)
        self.learnt: list[Shares] = []

    def learn(self, shares: Shares) -> None:
        self.learnt.append(shares)

    def slopes(self, shares: Shares) -> Shares:  # noqa: ARG002
        return (self.costs,)


def test_dsnas_moves_the_drawn_operation_by_its_cost_over_the_usual_one() -> None:
    block, costs = SearchSpace((ChoiceBlock("block", ("a", "b")),)), GateCosts(1.0, 3.0)
    search = Dsnas(block, costs, np.random.default_rng(1), DescentSettings(rate=0.1, steps=1))
    chances = [search.shares[0][0]]
    for _ in range(10):
        search.ask()
        chances.append(search.shares[0][0])
    drawn = [int(gates.argmax()) for (gates,) in costs.learnt]
    assert all(sorted(gates.tolist()) == [0.0, 1.0] for (gates,) in costs.learnt)
    # Until the other one is drawn every cost is the usual one. From then on the dear one is above it and
    # falls, or the cheap one is below it and rises: either way the chance of the cheap one rises.
    other = next(step for step, choice in enumerate(drawn) if choice != drawn[0])
    assert chances[: other + 1] == [0.5] * (other + 1)
    assert (np.diff(chances[other:]) > 0.0).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DescentSettings(rate=0.0), "rate = 0.0"),
        (lambda: DescentSettings(steps=0), "steps = 0"),
        (lambda: DartsSettings(look_ahead=-1.0), "look_ahead = -1.0"),
        (lambda: SnasSettings(rate=0.0), "rate = 0.0"),
        (lambda: SnasSettings(cold=0.0), "cold = 0.0"),
        (lambda: SnasSettings(hot=0.1), "hot = 0.1"),
        (lambda: SnasSettings(cooling=1.1), "cooling = 1.1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(make: Callable[[], object], said: str) -> None:
    with pytest.raises(SearchError, match=said):
        make()
